"""One worker process as the supervisor holds it, with real processes that misbehave."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from support import targets
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.supervisor.workers.slot import WorkerSlot, exit_reason
from xyfleet.supervisor.workers.start_request import Spawned
from xyfleet.worker.ipc.messages import Alive, Apply, Hello, Reconnect, Up
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import WorkerSettings

pytestmark = pytest.mark.pythons

CONTEXT = multiprocessing.get_context("forkserver")


class Ear:
    """Hears what a child says, and its end."""

    def __init__(self) -> None:
        self.messages: list[Up] = []
        self.spoke = asyncio.Event()
        self.ended = asyncio.Event()

    def heard(self, child: WorkerProcess, message: Up) -> None:
        """Keep a message."""
        self.messages.append(message)
        self.spoke.set()

    def gone(self, child: WorkerProcess) -> None:
        """Note the end."""
        self.ended.set()


def start(target: Callable[..., None], ear: Any, *words: object) -> WorkerProcess:
    """Start a process with the two pipes of a worker."""
    up_read, up_write = CONTEXT.Pipe(duplex=False)
    down_read, down_write = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=target, args=(up_write, down_read, *words), daemon=True)
    process.start()
    assert process.pid is not None
    fds = [os.dup(fd) for fd in (up_read.fileno(), down_write.fileno(), process.sentinel)]
    for connection in (up_read, up_write, down_read, down_write):
        connection.close()
    for fd in fds:
        os.set_blocking(fd, False)
    return WorkerProcess(Spawned(process.pid, os.pidfd_open(process.pid), *fds, forkserver=0), ear, go=b"\n")


async def ended(ear: Ear) -> None:
    """Wait for the end of a child."""
    await asyncio.wait_for(ear.ended.wait(), 10)


@pytest.mark.parametrize("code", [0, 1, 7])
async def test_exit_code_is_known(code: int) -> None:
    """The forkserver's word on the exit code arrives with the end."""
    ear = Ear()
    child = start(targets.exits, ear, code)
    await ended(ear)
    assert child.exit_code == code
    assert str(exit_reason(child)) == f"exit code {code}"
    assert not child.alive


async def test_uncaught_exception_is_code_1() -> None:
    """A worker that raises ends with 1, as Python says."""
    ear = Ear()
    child = start(targets.raises, ear)
    await ended(ear)
    assert child.exit_code == 1


async def test_signal_is_named() -> None:
    """A killed worker's reason is the signal's name."""
    ear = Ear()
    child = start(targets.speaks, ear, targets.ALIVE)
    await asyncio.wait_for(ear.spoke.wait(), 10)
    child.signal(signal.SIGKILL)
    await ended(ear)
    assert str(exit_reason(child)) == "killed by SIGKILL"
    child.signal(signal.SIGKILL)  # a signal to one that is gone reaches nobody


async def test_last_words_are_heard() -> None:
    """What a worker wrote before it was killed is read before its end is told."""
    ear = Ear()
    start(targets.speaks_and_dies, ear, targets.ALIVE * 3)
    await ended(ear)
    assert ear.messages == [Alive()] * 3


async def test_half_a_frame_blocks_nobody() -> None:
    """Half a message, then silence: the whole ones before it count, and the loop goes on."""
    ear = Ear()
    child = start(targets.speaks, ear, targets.ALIVE + b"\x00\x00\x00\x40{")
    await asyncio.wait_for(ear.spoke.wait(), 10)
    await asyncio.sleep(0.1)
    assert ear.messages == [Alive()]
    assert child.alive
    child.signal(signal.SIGKILL)
    await ended(ear)


@pytest.mark.parametrize(
    "garbage",
    [b"\xff\xff\xff\xff", targets.frame(b"{"), targets.frame(b'{"t":"alien"}'), targets.frame(b"\x80\x04N.")],
    ids=["length", "json", "kind", "pickle"],
)
async def test_garbage_ends_the_worker(garbage: bytes) -> None:
    """A stream that can't be trusted any more costs its process, and the reason says so."""
    ear = Ear()
    child = start(targets.speaks, ear, garbage)
    await ended(ear)
    assert child.garbage is not None
    assert str(exit_reason(child)).startswith("wrote garbage on its pipe")


async def test_flood_does_not_starve_the_loop() -> None:
    """A worker that never stops talking leaves time for everybody else."""
    ear = Ear()
    child = start(targets.floods, ear)
    await asyncio.wait_for(ear.spoke.wait(), 10)
    ticks = 0
    deadline = asyncio.get_running_loop().time() + 0.5
    while asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks >= 10
    child.signal(signal.SIGKILL)
    await ended(ear)


async def test_commands_wait_for_a_slow_reader() -> None:
    """More than the pipe holds is kept and sent on as the worker reads; nothing blocks meanwhile."""
    ear = Ear()
    child = start(targets.echoes_size, ear)
    large = Apply(settings=WorkerSettings(account="a", unb="1", device_id="d", proxy=Secret("x" * 225_000)))
    for _ in range(4):
        child.send(large)
    await asyncio.sleep(0.1)
    await asyncio.wait_for(ear.spoke.wait(), 10)
    (hello,) = ear.messages
    assert isinstance(hello, Hello)
    assert hello.pid >= 900_000
    child.signal(signal.SIGKILL)
    await ended(ear)


async def test_worker_that_never_reads_loses_the_newest_commands() -> None:
    """The backlog is bounded: about a mebibyte, then commands are dropped."""
    ear = Ear()
    child = start(targets.speaks, ear, targets.ALIVE)
    for _ in range(2_000):
        child.send(Reconnect(why="x" * 5_000))
    assert len(child._backlog) <= 1024 * 1024
    child.signal(signal.SIGKILL)
    await ended(ear)


async def test_runner_kills_one_that_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that ignores the polite stop is killed when its time is over, and only then is it gone."""
    monkeypatch.setattr("xyfleet.supervisor.workers.slot.STOP_TIMEOUT", 0.2)
    ends: list[str] = []

    class Owner:
        def heard(self, child: WorkerProcess, message: Up) -> None:
            pass

        def gone(self, child: WorkerProcess) -> None:
            runner.gone(child)

        def ended(self, child: WorkerProcess, why: str) -> None:
            ends.append(why)

    owner: Any = Owner()
    runner = WorkerSlot(owner)
    child = start(targets.ignores_terminate, owner)
    runner.started(child)
    runner.stop()
    await asyncio.wait_for(runner.wait_gone(), 10)
    assert ends == ["stopped"]
    assert runner.child is None
    assert child.exit_code == -signal.SIGKILL
