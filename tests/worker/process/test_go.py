"""A worker does nothing before it is told to go, and has the limits of an ordinary program."""

from __future__ import annotations

import os
import re
import resource
import time
from pathlib import Path

import pytest

from support.gateway import Gateway
from support.machinelimits import soft_files
from support.nursery import Nursery, alive
from support.station import FAST, UNB, settings_for, token
from xyfleet.worker.ipc.messages import Stop, Ticket


def first_ticket() -> Ticket:
    """Return what a worker is told to dial with."""
    return Ticket(request=0, serial=1, token=token())


def test_start_that_nobody_wants_any_more_ends(tmp_path: Path) -> None:
    """A worker that is forked too late finds its pipe closed, and leaves without a word (finding B2)."""
    with Nursery() as nursery:
        late = nursery.fork()
        time.sleep(0.3)
        assert alive(late.pid)
        assert late.hear() == []
        late.hang_up()
        assert late.code() == 0


def test_what_follows_the_go_is_not_lost(gateway: Gateway, tmp_path: Path) -> None:
    """A command that comes right behind is heard too."""
    with Nursery() as nursery:
        worker = nursery.start(
            settings_for(gateway.endpoint, tmp_path, FAST), Ticket(request=0, serial=1, token=token())
        )
        worker.say(Stop())
        assert worker.code() == 0
        assert worker.reports()[-1].state == "CLOSED"
    assert gateway.stats(UNB)["sockets"] == 0


def test_soft_limit_of_files_is_the_usual_one(gateway: Gateway, tmp_path: Path) -> None:
    """The supervisor's raised limit of open files stays its own; the hard one is for who needs more (finding 4)."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with soft_files(hard), Nursery() as nursery:
        worker = nursery.start(
            settings_for(gateway.endpoint, tmp_path, FAST), Ticket(request=0, serial=1, token=token())
        )
        worker.connected()
        limits = Path(f"/proc/{worker.pid}/limits").read_text()
        forkserver = Path(f"/proc/{nursery.forkserver}/limits").read_text()
    assert re.search(rf"Max open files +{min(1024, hard)} +{hard} ", limits)
    assert re.search(rf"Max open files +{hard} +{hard} ", forkserver)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may count the descriptors of a process that keeps its secrets")
def test_a_worker_keeps_few_descriptors(gateway: Gateway, tmp_path: Path) -> None:
    """It has its pipes, its connection, its files and its loop's; nothing of the forkserver's grows with the fleet."""
    counts = []
    with Nursery() as nursery:
        for index in range(6):
            settings = settings_for(gateway.endpoint, tmp_path, FAST, account=f"a{index}")
            worker = nursery.start(settings, first_ticket())
            worker.connected()
            beats = tmp_path / f"a{index}.beats.log"  # the last file that it opens, in the thread that writes
            gateway.until(beats.exists, "a beat is in the log")
            counts.append(len(os.listdir(f"/proc/{worker.pid}/fd")))
            worker.say(Stop())
            worker.code()
        kept = len(os.listdir(f"/proc/{nursery.forkserver}/fd"))
    assert max(counts) == min(counts) < 40
    assert kept < 16
