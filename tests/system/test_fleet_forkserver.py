"""A start that fails, waits or hangs costs its own account a delay, and nobody else anything."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from support.fleet import Fleet, account, running, unb
from support.gateway import Gateway
from support.machinelimits import free_files, frozen, no_forks, soft_files
from xyfleet.supervisor.api.client import Refused

SLOW = """
import os, time
if "XYFLEET_FORKSERVER" in os.environ:
    time.sleep({seconds})
"""


@pytest.fixture
def fleet(tmp_path: Path, gateway: Gateway) -> Iterator[Fleet]:
    """Three accounts that are CONNECTED; whatever the test does, no account ever had two live sockets."""
    with running(Fleet(tmp_path, gateway.endpoint, gateway.token_url)) as found:
        found.wait_connected()
        yield found
        for index in range(3):
            assert gateway.stats(unb(index))["max_live"] == 1


def others(fleet: Fleet) -> dict[str, int | None]:
    """Return the pids of all but a0."""
    return {name: pid for name, pid in fleet.pids().items() if name != "a0"}


def fails_alone(fleet: Fleet, trouble: AbstractContextManager[None]) -> str:
    """See a0's start fail while the trouble lasts, and nothing else happen; return the reason that is shown."""
    before, forkserver = others(fleet), fleet.forkserver().pid
    with trouble:
        os.kill(fleet.pids()["a0"] or 0, signal.SIGKILL)
        fleet.until(lambda: len(fleet.events("restart", "a0")) >= 2, "a start failed")
        assert fleet.connected("a1", "a2")
        assert fleet.accounts()["a0"]["pid"] is None
    fleet.until(fleet.connected, "a0 is back")
    assert others(fleet) == before
    assert fleet.forkserver().pid == forkserver
    assert psutil.Process(fleet.pids()["a0"]).ppid() == forkserver
    return str(fleet.events("restart", "a0")[1]["reason"])


@pytest.mark.parametrize("free", [0, 3, 10], ids=["accept", "request", "reserve"])
def test_forkserver_without_descriptors(fleet: Fleet, free: int) -> None:
    """EMFILE in the forkserver, wherever it strikes, is one account's delay (findings 4, B2)."""
    assert fails_alone(fleet, free_files(fleet.forkserver().pid, free))


def test_forkserver_that_may_not_fork(fleet: Fleet) -> None:
    """EAGAIN at fork is one account's delay, and shown with its name (finding B2)."""
    assert "EAGAIN" in fails_alone(fleet, no_forks(fleet.forkserver().pid))


def test_supervisor_without_descriptors(fleet: Fleet) -> None:
    """EMFILE in the supervisor is one account's delay too (findings 4, B2)."""
    assert fleet.process is not None
    fails_alone(fleet, free_files(fleet.process.pid, 1))


def slowest_answer(fleet: Fleet, until: float) -> float:
    """Ask the API until then; return the longest time that an answer took, in seconds."""
    slowest = 0.0
    while time.monotonic() < until:
        began = time.monotonic()
        fleet.client.get("/v1/health")
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.05)
    return slowest


def test_stopped_forkserver_is_retired(fleet: Fleet, gateway: Gateway) -> None:
    """
    A forkserver that owes an answer for 5 s gets a second one beside it, and keeps its workers (finding 5, B2).

    The API answers all the while; the late start that it carries out when it goes on does nothing and ends; it ends
    itself with its last worker.
    """
    before, old = others(fleet), fleet.forkserver()
    old.suspend()
    os.kill(fleet.pids()["a0"] or 0, signal.SIGKILL)
    assert slowest_answer(fleet, time.monotonic() + 5.5) < 1.0
    fleet.until(fleet.connected, "a0 is back")
    assert others(fleet) == before
    assert fleet.forkserver().pid != old.pid
    dials = gateway.stats(unb(0))["dials"]
    zombies_and_late = len(old.children())
    old.resume()
    fleet.until(lambda: {p.pid for p in old.children()} == set(before.values()), "the late start is gone")
    assert zombies_and_late >= 2
    assert gateway.stats(unb(0))["dials"] == dials
    fleet.client.post("/v1/accounts/restart", {"names": ["a1", "a2"]})
    fleet.until(lambda: fleet.replaced({**before, "a0": None}) and not old.is_running(), "it ends with its last worker")
    assert {e["why"] for e in fleet.events("restart") if e["account"] != "a0"} == {"operator"}


def test_slow_preload_is_no_fault(tmp_path: Path, gateway: Gateway) -> None:
    """A forkserver that needs 6 s for its imports is waited for, and the API answers meanwhile (finding 5)."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url)
    (tmp_path / "sitecustomize.py").write_text(SLOW.format(seconds=6))
    fleet.env["PYTHONPATH"] = str(tmp_path)
    with running(fleet):
        assert slowest_answer(fleet, time.monotonic() + 5.5) < 1.0
        fleet.wait_connected()
        assert not fleet.events("restart")
        assert "forkserver" not in fleet.own_log()


def test_worker_that_can_not_be_killed_holds_up_itself_alone(fleet: Fleet) -> None:
    """After the forkserver's death an account whose worker hangs in a disk wait stays down, the others do not (29)."""
    before = fleet.pids()
    with frozen(before["a1"] or 0):
        fleet.forkserver().kill()
        fleet.until(lambda: fleet.pids()["a0"] not in (None, before["a0"]), "a0 is replaced")
        fleet.until(lambda: fleet.connected("a0", "a2"), "the others are back")
        assert fleet.pids()["a1"] == before["a1"]
    fleet.until(lambda: fleet.replaced(before), "a1 is back")
    assert [e["why"] for e in fleet.events("restart")] == ["forkserver"] * 3


@pytest.mark.parametrize("size", [79, pytest.param(500, marks=pytest.mark.long)])
def test_growth_far_beyond_the_soft_file_limit(tmp_path: Path, gateway: Gateway, size: int) -> None:
    """Finding 4: from 4 to 79, or 500, accounts by a reload at a soft limit of 256; the API answers all the while."""
    fleet = Fleet(tmp_path, gateway.endpoint, gateway.token_url, accounts=4, warm=True)
    fleet.config["defaults"] = {}  # 500 accounts with five heartbeats a second would be another test
    fleet.config["fleet"] |= {"hang_timeout": 20, "fleet_rate": {"dials": 0, "token_calls": 0}}
    with soft_files(256), running(fleet):
        fleet.wait_connected()
        before = fleet.pids()
        fleet.config["accounts"] += [account(index) for index in range(4, size)]
        fleet.write()
        grown = threading.Thread(target=fleet.client.post, args=("/v1/reload",), kwargs={"timeout": 120})
        grown.start()
        while grown.is_alive():
            assert slowest_answer(fleet, time.monotonic() + 0.2) < 2.0
        grown.join()
        fleet.until(fleet.connected, "all connected", timeout=200)
        assert {name: pid for name, pid in fleet.pids().items() if name in before} == before
        assert not fleet.events("restart")


def test_growth_beyond_the_hard_file_limit_is_refused(fleet: Fleet) -> None:
    """A reload that needs more files than the process may open names the numbers and changes nothing (finding 4)."""
    assert fleet.process is not None
    before = fleet.pids()
    resource.prlimit(fleet.process.pid, resource.RLIMIT_NOFILE, (400, 400))
    fleet.config["accounts"] += [account(index) for index in range(3, 79)]
    fleet.write()
    with pytest.raises(Refused) as refusal:
        fleet.client.post("/v1/reload", timeout=30)
    assert "open files: 620 needed for 79 accounts, 400 allowed" in refusal.value.message
    assert fleet.pids() == before
