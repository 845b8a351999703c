"""Worker processes as they really are: forked from the preload, titled, tied to their parents, ended by signals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.gateway import Gateway
from support.nursery import Nursery, Worker, alive, until
from support.station import DEVICE, FAST, UNB, read_log, settings_for, token
from xyfleet.worker.ipc.messages import Stop, Ticket
from xyfleet.worker.process.build_id import build_id
from xyfleet.worker.settings import LogSettings, WorkerSettings

pytestmark = pytest.mark.pythons

TICKET = Ticket(request=0, serial=1, token=token())


@pytest.fixture(scope="module")
def _nursery() -> Iterator[Nursery]:
    with Nursery() as running:
        yield running


@pytest.fixture
def nursery(_nursery: Nursery) -> Iterator[Nursery]:
    """Give the nursery that serves the module: a test must leave it running, its workers end with it."""
    yield _nursery
    _nursery.end_workers()


def start(nursery: Nursery, gateway: Gateway, logs: Path, **more: Any) -> Worker:
    """Start the test account's worker."""
    ticket = Ticket(request=0, serial=1, token=token())
    return nursery.start(settings_for(gateway.endpoint, logs, FAST, ca_file=gateway.ca_file, **more), ticket)


def test_a_worker_process(nursery: Nursery, gateway: Gateway, tmp_path: Path) -> None:
    """It says who it is, is titled, connects, reports its CPU time, and stops when told with code 0."""
    worker = start(nursery, gateway, tmp_path)
    hello = worker.hello()
    report = worker.connected()
    title = worker.title()
    worker.say(Stop())
    code = worker.code()
    last = worker.reports()[-1]

    assert (hello.pid, hello.marker, hello.imported) == (worker.pid, build_id(), [])
    assert title == "xyfleet: a0"
    assert report.cpu > 0
    assert code == 0
    assert gateway.stats(UNB)["closes"] == {"1000": 1}
    assert last.state == "CLOSED"


def test_no_token_where_others_can_see_it(nursery: Nursery, gateway: Gateway, tmp_path: Path) -> None:
    """Neither arguments nor environment of any process hold the token; the latter, not even its own user may read."""
    worker = start(nursery, gateway, tmp_path)
    worker.connected()
    for pid in (worker.pid, nursery.forkserver, nursery.process.pid):
        assert b"sim-2200" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except PermissionError:
            assert os.geteuid() != 0
        else:
            assert b"sim-2200" not in environment


def test_second_worker_imports_nothing(tmp_path: Path) -> None:
    """All that a worker needs, TLS and a name look-up included, is in the preload."""
    with Gateway("--tls") as gateway, tempfile.TemporaryFile("w+") as errors:
        endpoint = gateway.endpoint.replace("127.0.0.1", "localhost")
        with Nursery("-X", "importtime", stderr=errors.fileno()) as nursery:
            for number in range(2):
                begun = errors.seek(0, os.SEEK_END)
                settings = settings_for(endpoint, tmp_path, FAST, ca_file=gateway.ca_file)
                worker = nursery.start(settings, Ticket(request=0, serial=1, token=token()))
                worker.connected()
                gateway.drop(UNB, 1001)
                until(worker.requests)
                worker.say(Ticket(request=1, serial=1, token=token()))
                worker.connected(2)
                worker.say(Stop())
                assert worker.code() == 0, number
        errors.seek(begun)

        assert errors.read() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ignored_signals(nursery: Nursery, gateway: Gateway, tmp_path: Path, number: signal.Signals) -> None:
    """A key press or a lost terminal is not for workers."""
    worker = start(nursery, gateway, tmp_path)
    worker.connected()
    os.kill(worker.pid, number)
    answers = gateway.stats(UNB)["answers"]
    until(lambda: gateway.stats(UNB)["answers"] > answers + 2)

    assert alive(worker.pid)
    assert gateway.stats(UNB)["dials"] == 1


def test_terminate_is_polite(nursery: Nursery, gateway: Gateway, tmp_path: Path) -> None:
    """SIGTERM closes with a close frame and ends with code 0."""
    worker = start(nursery, gateway, tmp_path)
    worker.connected()
    began = time.monotonic()
    os.kill(worker.pid, signal.SIGTERM)

    assert worker.code() == 0
    assert time.monotonic() - began < 2
    assert gateway.stats(UNB)["closes"] == {"1000": 1}
    assert read_log(tmp_path)[-1]["reason"] == "stopped by a signal"


def test_pipes_closed(nursery: Nursery, gateway: Gateway, tmp_path: Path) -> None:
    """When the supervisor's ends close, the worker leaves at once with a code of its own."""
    worker = start(nursery, gateway, tmp_path)
    worker.connected()
    worker.hang_up()

    assert worker.code() == 3
    until(lambda: gateway.stats(UNB)["sockets"] == 0)


@pytest.mark.parametrize("victim", ["supervisor", "forkserver"])
def test_nobody_outlives_its_parent(gateway: Gateway, tmp_path: Path, victim: str) -> None:
    """SIGKILL of the supervisor ends forkserver and worker, SIGKILL of the forkserver ends the worker."""
    with Nursery() as nursery:
        worker = start(nursery, gateway, tmp_path)
        worker.connected()
        os.kill(nursery.process.pid if victim == "supervisor" else nursery.forkserver, signal.SIGKILL)
        until(lambda: not alive(worker.pid), timeout=2)
        until(lambda: not alive(nursery.forkserver), timeout=2)
    until(lambda: gateway.stats(UNB)["sockets"] == 0)


def test_shielded_forkserver(nursery: Nursery, gateway: Gateway, tmp_path: Path) -> None:
    """The forkserver takes no notice of signals, it and its workers lead process groups, and it goes on forking."""
    start(nursery, gateway, tmp_path).connected()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        os.kill(nursery.forkserver, number)
    worker = start(nursery, gateway, tmp_path, account="a1")
    worker.hello()

    assert os.getpgid(nursery.forkserver) == nursery.forkserver
    assert os.getpgid(worker.pid) == worker.pid
    limits = Path(f"/proc/{worker.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)


def test_stack_dump_on_demand(nursery: Nursery, gateway: Gateway, tmp_path: Path) -> None:
    """SIGUSR1 writes where the worker is, for its owner's eyes, and it goes on."""
    path = tmp_path / "a0.stack.log"
    worker = start(nursery, gateway, tmp_path)
    worker.connected()
    os.kill(worker.pid, signal.SIGUSR1)
    until(lambda: path.read_text().endswith('process.py", line 53 in run_worker\n') or "run_worker" in path.read_text())
    worker.say(Stop())

    assert worker.code() == 0
    assert "most recent call first" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_old_stack_dumps_do_not_pile_up(nursery: Nursery, gateway: Gateway, tmp_path: Path) -> None:
    """A worker that finds more than 64 KiB of them begins a new file."""
    path = tmp_path / "a0.stack.log"
    path.write_bytes(b"x" * 70_000)
    worker = start(nursery, gateway, tmp_path)
    worker.connected()
    size = path.stat().st_size
    worker.say(Stop())
    worker.code()

    assert size == 0


def test_no_empty_stack_file_left(nursery: Nursery, gateway: Gateway, tmp_path: Path) -> None:
    """A worker that never had to say where it was leaves no file about it."""
    worker = start(nursery, gateway, tmp_path)
    worker.connected()
    worker.say(Stop())
    worker.code()

    assert sorted(file.name for file in tmp_path.iterdir()) == ["a0.beats.log", "a0.log"]


def test_program_error_ends_with_1(nursery: Nursery, gateway: Gateway, tmp_path: Path) -> None:
    """What nobody can handle is in the log with its traceback, and ends with code 1."""
    settings = settings_for(gateway.endpoint, tmp_path, FAST, ca_file=str(tmp_path / "missing.pem"))
    code = nursery.start(settings, TICKET).code()
    line = read_log(tmp_path, "程序错误")[0]

    assert code == 1
    assert "FileNotFoundError" in line["traceback"]


def test_unwritable_logs_stop_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """Without a place for its files a worker works, and says so."""
    (tmp_path / "logs").write_text("in the way")
    with Nursery(stderr=subprocess.DEVNULL) as nursery:
        worker = start(nursery, gateway, tmp_path / "logs")
        report = worker.connected()
        os.kill(worker.pid, signal.SIGUSR1)
        worker.say(Stop())

        assert worker.code() == 0
    assert str(report.note) == "log not written: File exists"


def test_trust_store_of_the_settings() -> None:
    """`ca_file` is what a worker trusts, and nothing else."""
    with tempfile.TemporaryDirectory() as folder, Gateway("--tls") as gateway, Nursery() as nursery:
        logs = Path(folder)
        trusting = start(nursery, gateway, logs)
        trusting.connected()
        doubting = nursery.start(settings_for(gateway.endpoint, logs, FAST, account="a1"), TICKET)
        until(lambda: any(report.cause == "network" for report in doubting.reports()))

        reasons = {str(report.reason) for report in doubting.reports() if report.reason}
    assert reasons == {"tls: certificate not trusted: self-signed certificate"} or all("tls: " in r for r in reasons)


def test_standard_output_of_a_worker(gateway: Gateway) -> None:
    """Without a log folder lines go to the supervisor's standard output as JSON; verbosely to standard error too."""
    settings = WorkerSettings(
        account="a0", unb=UNB, device_id=DEVICE, endpoint=gateway.endpoint, cycle=FAST, log=LogSettings(verbose=True)
    )
    with tempfile.TemporaryFile("w+") as output:
        with Nursery(stderr=output.fileno()) as nursery:
            nursery.start(settings, TICKET).connected()
        output.seek(0)
        text = output.read()

    assert re.search(r"WARNING 心跳响应正常 account=a0 generation=1 mid=\d+ rtt_ms=", text)
    assert re.search(r'"event":"心跳响应正常","account":"a0","generation":1', text)


def test_settings_arrive_whole(nursery: Nursery, gateway: Gateway, tmp_path: Path) -> None:
    """The account's own rhythm is what it lives by."""
    slow = msgspec.structs.replace(FAST, heartbeat_interval=5.0, heartbeat_timeout=10.0)
    worker = nursery.start(settings_for(gateway.endpoint, tmp_path, slow, report_interval=0.1), TICKET)
    worker.connected()
    until(lambda: len(worker.hear()) > 8)

    assert gateway.stats(UNB)["beats"] == 1
