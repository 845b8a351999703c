"""The start queue with real forkservers and real workers: whatever goes wrong costs its own slot, and nobody waits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.station import until
from xyfleet.supervisor.workers import cpython, forkservers, start_queue
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.supervisor.workers.slot import WorkerSlot
from xyfleet.supervisor.workers.start_queue import StartQueue
from xyfleet.worker.ipc.messages import Go, Hello, Up
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import WorkerSettings


class Owner:
    """Whose worker it is: keeps what it hears, and tells its worker what the test says."""

    def __init__(self, name: str, **settings: Any) -> None:
        self.name = name
        self.slot = WorkerSlot(self)
        self.heard_of: list[Up] = []
        self.failures: list[str] = []
        self.ends: list[str] = []
        self.settings = {"account": name, "unb": "1", "device_id": "d", **settings}

    def take_turn(self) -> bool:
        """Wanted, always."""
        return self.slot.child is None

    def go(self) -> Go:
        """Tell it the settings."""
        return Go(settings=WorkerSettings(**self.settings))

    def started(self, child: WorkerProcess) -> None:
        """Keep it."""
        self.slot.started(child)

    def start_failed(self, reason: Reason) -> None:
        """Keep the reason."""
        self.failures.append(str(reason))

    def heard(self, child: WorkerProcess, message: Up) -> None:
        """Keep the message."""
        self.heard_of.append(message)

    def gone(self, child: WorkerProcess) -> None:
        """Tell the slot."""
        self.slot.gone(child)

    def ended(self, child: WorkerProcess, why: str) -> None:
        """Keep why."""
        self.ends.append(why)

    @property
    def runs(self) -> bool:
        """Whether its worker lives and has said who it is."""
        return self.slot.child is not None and any(isinstance(message, Hello) for message in self.heard_of)


class Site:
    """A queue that runs, with its owners."""

    def __init__(self, folder: Path) -> None:
        self.first = Forkserver(folder)
        self.owners: list[Owner] = []
        self.queue = StartQueue(self.first, lambda: [owner.slot for owner in self.owners])

    def start(self, owner: Owner, pace: Callable[[], Awaitable[None]] | None = None) -> Owner:
        """Have its worker started."""
        self.owners.append(owner)
        self.queue.put(owner.slot, pace)
        return owner

    def children(self) -> set[int]:
        """Return the living children of the first forkserver."""
        children = psutil.Process(self.first.pid).children()
        return {child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Give a queue; its forkservers and workers are gone afterwards."""
    found = Site(tmp_path)
    running = asyncio.create_task(found.queue.run())
    yield found
    for owner in found.owners:
        owner.slot.stop()
    for owner in found.owners:
        await owner.slot.wait_gone()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    found.queue.close()


def fault() -> Go:
    """Fail as a program error does."""
    raise RuntimeError("meant to happen")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Owner.go, "message of"),
        (lambda owner: Go(settings=WorkerSettings(**owner.settings | {"proxy": None, "unb": "\ud800"})), "no JSON"),
        (lambda owner: fault(), "program error"),
    ],
    ids=["long", "text", "bug"],
)
async def test_worker_that_can_not_be_told_to_go(site: Site, bad: Callable[[Owner], Go], reason: str) -> None:
    """What can't be sent to a worker is that one's failed start, its process ends, the others start (B3, 28)."""
    owner = Owner("bad", proxy=Secret("x" * 300_000))
    owner.go = lambda: bad(owner)  # type: ignore[method-assign]
    site.start(owner)
    good = site.start(Owner("good"))
    await until(lambda: good.runs and owner.failures)
    assert [reason in text for text in owner.failures] == [True]
    assert "xxx" not in owner.failures[0]
    assert owner.slot.request is None
    assert good.slot.child is not None
    await until(lambda: site.children() == {good.slot.child.pid})  # type: ignore[union-attr]


async def test_start_that_is_struck_out(site: Site) -> None:
    """A stop while the process is being made: no worker is told to go, and what was made ends (finding B2)."""
    first = site.start(Owner("first"))
    await until(lambda: first.runs)
    os.kill(site.first.pid, signal.SIGSTOP)
    stopped = site.start(Owner("stopped"))
    await until(lambda: stopped.slot.request is not None)
    stopped.slot.strike_out()
    os.kill(site.first.pid, signal.SIGCONT)
    last = site.start(Owner("last"))
    await until(lambda: last.runs)
    assert stopped.slot.child is None
    assert not stopped.failures
    await until(lambda: len(site.children()) == 2)


async def test_forkserver_that_dies_with_a_start(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it owed is asked of the next one, on nobody's account; its workers are started again (finding B2)."""
    monkeypatch.setattr(forkservers, "RELAUNCH_PAUSE", 0.1)
    lived = site.start(Owner("lived"))
    await until(lambda: lived.runs)
    os.kill(site.first.pid, signal.SIGSTOP)
    waits = site.start(Owner("waits"))
    await until(lambda: waits.slot.request is not None)
    os.kill(site.first.pid, signal.SIGKILL)
    await until(lambda: waits.runs and lived.ends == ["forkserver"])
    assert not waits.failures
    assert waits.slot.child is not None
    assert waits.slot.child.forkserver != site.first.pid


async def test_forkserver_that_nobody_can_replace(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many retired ones about, the newest is waited for: a start that it owes fails, later ones succeed."""
    monkeypatch.setattr(forkservers, "MOST_RETIRED", 0)
    monkeypatch.setattr(start_queue, "ANSWER_TIMEOUT", 0.2)
    first = site.start(Owner("first"))
    await until(lambda: first.runs)
    os.kill(site.first.pid, signal.SIGSTOP)
    waits = site.start(Owner("waits"))
    await until(lambda: waits.failures)
    assert waits.failures == ["no answer within 0.2 s"]
    os.kill(site.first.pid, signal.SIGCONT)
    site.start(waits)
    await until(lambda: waits.runs)
    assert waits.slot.child is not None
    assert waits.slot.child.forkserver == site.first.pid


async def test_forkserver_that_can_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that dies of its imports is launched again after a pause, until it lives; the starts wait."""
    monkeypatch.setattr(forkservers, "RELAUNCH_PAUSE", 0.2)
    broken = tmp_path / "sitecustomize.py"
    broken.write_text("import os\nif 'XYFLEET_FORKSERVER' in os.environ: os._exit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    site = Site(tmp_path)
    running = asyncio.create_task(site.queue.run())
    waits = site.start(Owner("waits"))
    await until(lambda: not site.first.alive)
    broken.unlink()
    await until(lambda: waits.runs)
    assert not waits.failures
    waits.slot.stop()
    await waits.slot.wait_gone()
    running.cancel()
    site.queue.close()


def environment_of(pid: int) -> list[bytes]:
    """Return what a process was started with."""
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look at a process that keeps its secrets")
async def test_limit_of_threads_is_the_forkservers_alone(site: Site) -> None:
    """One thread for names is right for a worker; the supervisor looks up many, and keeps its own number (18)."""
    environment = environment_of(site.first.pid)
    assert b"UV_THREADPOOL_SIZE=1" in environment
    assert "UV_THREADPOOL_SIZE" not in os.environ
    assert "XYFLEET_FORKSERVER" not in os.environ


async def test_starts_do_not_wait_for_each_other(site: Site) -> None:
    """Many at once, more than are asked for at one time, all begin; no descriptor is left over when they are gone."""
    probe = site.start(Owner("probe"))
    await until(lambda: probe.runs)
    before = len(os.listdir("/proc/self/fd"))
    owners = [site.start(Owner(f"a{number}")) for number in range(2 * start_queue.AT_ONCE + 1)]
    await until(lambda: all(owner.runs for owner in owners))
    for owner in owners:
        owner.slot.stop()
        await owner.slot.wait_gone()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_paced_turns_are_given_when_there_is_a_forkserver(site: Site) -> None:
    """Nobody's turn goes by while the imports last: all of them would dial at once then (the kind of finding 17)."""
    paced: list[bool] = []

    async def pace() -> None:
        paced.append(site.first.ready)
        await asyncio.sleep(0.1 * len(paced))

    owners = [site.start(Owner(f"a{number}"), pace) for number in range(3)]
    await until(lambda: all(owner.runs for owner in owners))
    assert paced == [True] * 3


async def test_turn_that_went_by_is_paced_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that came while there was no forkserver for a while is no turn any more."""
    monkeypatch.setattr(start_queue, "LATE", 0.1)
    monkeypatch.setattr(forkservers, "RELAUNCH_PAUSE", 0.5)
    paced: list[float] = []

    async def pace() -> None:
        paced.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.3 if len(paced) == 1 else 0.0)

    owner = site.start(Owner("a"), pace)
    await until(lambda: len(paced) == 1)
    os.kill(site.first.pid, signal.SIGKILL)
    await until(lambda: owner.runs)
    assert len(paced) == 2


def test_private_names_are_there() -> None:
    """This Python has what the starts stand on."""
    cpython.check()
