"""Parts of the supervisor fail alone and come back; what is vital may fail so often and no more (finding 11)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
from collections.abc import Iterator

import pytest

from support.station import until
from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.runtime.parts import PartPace, Parts, Vital
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.supervisor.workers.start_request import Spawned
from xyfleet.worker.ipc.messages import Up

PACE = PartPace(first=0.01, most=0.02, healthy_after=0.2, window=5.0, most_faults=5)


class Part:
    """Fails so many times, and lives for ever then."""

    def __init__(self, faults: int) -> None:
        self.lives = 0
        self._faults = faults

    async def run(self) -> None:
        self.lives += 1
        if self.lives <= self._faults:
            raise KeyError("a bug")
        await asyncio.sleep(3600)


async def test_a_part_fails_alone_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    """Finding 11: its fault is in the log with its traceback and among the notes until it has lived; others go on."""
    notes: dict[str, Text] = {}
    parts, bad, good = Parts(notes, PACE), Part(faults=7), Part(faults=0)
    parts.start("console", bad.run)
    parts.start("events", good.run)
    await until(lambda: bad.lives == 8)
    assert (good.lives, parts.ended.is_set()) == (1, False)
    assert "KeyError" in notes["part console"].say("en")
    assert "console" in notes["part console"].say("zh") != notes["part console"].say("en")
    assert [record.exc_info is not None for record in caplog.records] == [True] * 7
    await until(lambda: not notes)
    await parts.stop()


async def test_a_vital_part_that_fails_five_times_ends_the_fleet(caplog: pytest.LogCaptureFixture) -> None:
    """Four faults do not; the fifth within the window does, and the cause stands in the log."""
    parts, four, five = Parts({}, PACE), Part(faults=4), Part(faults=5)
    parts.start("start queue", four.run, vital=True)
    await until(lambda: four.lives == 5)
    assert not parts.ended.is_set()
    parts.start("other queue", five.run, vital=True)
    async with asyncio.timeout(10):
        await parts.ended.wait()
    assert parts.cause == "other queue failed 5 times in 5 s, the last time with KeyError('a bug')"
    (last,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert last.getMessage() == f"the fleet ends: {parts.cause}"
    await parts.stop()


class Silent:
    """Owns a worker that is never heard."""

    def heard(self, child: WorkerProcess, message: Up) -> None:
        """Nothing comes."""

    def gone(self, child: WorkerProcess) -> None:
        """It does not end."""


@contextlib.contextmanager
def reset_pipe() -> Iterator[None]:
    """Have a worker whose pipe can't be read: its other end, unread, is closed."""
    ours, theirs = socket.socketpair()
    theirs.send(b"nobody reads it, so the end is a reset")
    process = subprocess.Popen(["sleep", "60"])
    spawned = Spawned(process.pid, os.pidfd_open(process.pid), theirs.detach(), *os.pipe(), 0)
    WorkerProcess(spawned, Silent())
    ours.close()
    yield
    for fd in (spawned.up, spawned.pidfd):
        asyncio.get_running_loop().remove_reader(fd)
    spawned.close()
    process.kill()
    process.wait()


async def test_a_fault_of_the_pipe_reader_is_vital(caplog: pytest.LogCaptureFixture) -> None:
    """Raised in a callback of the loop, it counts as one of that part; what others raise there does not."""
    loop = asyncio.get_running_loop()
    parts = Parts({}, PACE)
    loop.set_exception_handler(parts.stray)
    empty: dict[str, str] = {}
    for _ in range(9):
        loop.call_soon(empty.__getitem__, "nobody's")
    with contextlib.ExitStack() as workers:
        for _ in range(4):
            workers.enter_context(reset_pipe())
        await until(lambda: len(caplog.records) == 9 + 4)
        assert not parts.ended.is_set()
        workers.enter_context(reset_pipe())
        await until(parts.ended.is_set)
    assert parts.cause is not None
    assert parts.cause.startswith("pipe reader failed 5 times in 5 s, the last time with ConnectionResetError")


async def test_a_part_that_returns_is_done() -> None:
    """The console does, when its terminal goes away: it is not begun again."""
    lives = 0

    async def once() -> None:
        nonlocal lives
        lives += 1

    parts = Parts({}, PACE)
    parts.start("console", once)
    await asyncio.sleep(0.1)
    await parts.stop()
    assert lives == 1


def test_faults_far_apart_are_no_reason() -> None:
    """Five within a minute are; one every 16 seconds for ever are not."""
    vital = Vital()
    assert [vital.too_many(16.0 * n) for n in range(20)] == [False] * 20
    vital = Vital()
    assert [vital.too_many(15.0 * n) for n in range(5)] == [False] * 4 + [True]
