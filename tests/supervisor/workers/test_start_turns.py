"""A turn that fails is one slot's trouble (finding 11)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.station import until
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.supervisor.workers.slot import WorkerSlot
from xyfleet.supervisor.workers.start_queue import StartQueue
from xyfleet.worker.ipc.messages import Go, Up
from xyfleet.worker.reasons import Reason


class Owner:
    """Whose turn comes; it wants no worker then."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.turns = 0

    def take_turn(self) -> bool:
        """Count it."""
        self.turns += 1
        return False

    def go(self) -> Go:
        """Nobody is told."""
        raise AssertionError

    def started(self, child: WorkerProcess) -> None:
        """None is."""

    def start_failed(self, reason: Reason) -> None:
        """None does."""

    def ended(self, child: WorkerProcess, why: str) -> None:
        """None does."""

    def heard(self, child: WorkerProcess, message: Up) -> None:
        """Nothing is."""

    def gone(self, child: WorkerProcess) -> None:
        """None is."""


async def fault() -> None:
    """Fail as a program error does."""
    raise KeyError("a bug")


async def test_a_pace_that_fails_costs_nobody_his_turn(tmp_path: Path) -> None:
    """The queue goes on to the next, and the one whose pace can't be told has its turn at once."""
    queue = StartQueue(Forkserver(tmp_path), list)
    running = asyncio.create_task(queue.run())
    bad, good = Owner("bad"), Owner("good")
    queue.put(WorkerSlot(bad), fault)
    queue.put(WorkerSlot(good))
    await until(lambda: good.turns)
    assert bad.turns == 1
    running.cancel()
    await asyncio.wait([running])
    queue.close()
