"""The watchdog knows workers, not their numbers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from typing import Any

from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.supervisor.workers.slot import WorkerSlot
from xyfleet.supervisor.workers.start_request import Spawned
from xyfleet.supervisor.workers.watchdog import HangWatchdog


class Owner:
    """Whose worker ends."""

    def __init__(self) -> None:
        self.slot = WorkerSlot(self)  # type: ignore[arg-type]
        self.gone_for_good = asyncio.Event()

    def gone(self, child: WorkerProcess) -> None:
        """Tell the slot."""
        self.slot.gone(child)
        self.gone_for_good.set()

    def ended(self, child: WorkerProcess, why: str) -> None:
        """No start follows."""


def hung(owner: Any, number: int) -> tuple[WorkerProcess, subprocess.Popen[bytes]]:
    """Give the slot a worker that is silent; the supervisor knows its process by a number of our choice."""
    process = subprocess.Popen(["sleep", "60"])
    ends = [end for _ in range(3) for end in os.pipe()]
    for fd in (ends[1], ends[2], ends[5]):
        os.close(fd)
    for fd in (ends[0], ends[3], ends[4]):
        os.set_blocking(fd, False)
    child = WorkerProcess(Spawned(number, os.pidfd_open(process.pid), ends[0], ends[3], ends[4], 0), owner)
    child.last_heard -= 100
    owner.slot.started(child)
    return child, process


async def test_second_worker_of_a_number_is_judged_too() -> None:
    """A hung worker whose pid a hung one had before is ended as well (finding 34)."""
    owner = Owner()
    watchdog = HangWatchdog(lambda: [owner.slot], lambda: 10.0)
    for _ in range(2):
        owner.gone_for_good.clear()
        child, process = hung(owner, 2**22)
        watchdog.look(child.last_heard + 100)
        await asyncio.wait_for(owner.gone_for_good.wait(), 5)
        assert process.wait(5) == -signal.SIGUSR1
