"""Looks at every worker a few times per `hang_timeout` and ends those that hang, and those only. Shell.

The rule is in `liveness`; this file looks at the process, asks a hung one for its stack (SIGUSR1, faulthandler) and
kills it.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import psutil

from xyfleet.supervisor.workers.liveness import LAG_SMALL, Verdict, WorkerSigns, judge
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.supervisor.workers.slot import WorkerSlot

DUMP_GRACE: Final = 2.0
"""Seconds that a hung worker has to write its stack before SIGKILL."""
LOOKS: Final = 8
"""Looks per `hang_timeout`."""


class HangWatchdog:
    """The hang watchdog over all workers; `slots` returns where they are, `timeout` how long they may be silent."""

    def __init__(self, slots: Callable[[], Iterable[WorkerSlot]], timeout: Callable[[], float]) -> None:
        self._slots = slots
        self._timeout = timeout
        self._waited: dict[WorkerProcess, tuple[float, float]] = {}
        """When a silent worker was looked at last, and how long it had waited for a CPU by then."""
        self._condemned: set[WorkerProcess] = set()
        """Not by pid: a number comes back, and its next owner has to be judged too."""
        self.lag = 0.0
        """How late this loop's last tick was, in seconds."""

    async def run(self) -> None:
        """Look for ever."""
        while True:
            interval = self._timeout() / LOOKS
            due = time.monotonic() + interval
            await asyncio.sleep(interval)
            now = time.monotonic()
            self.lag = now - due
            if self.lag >= LAG_SMALL:
                self._pardon(now)
            self.look(now)

    def _pardon(self, now: float) -> None:
        """We ourselves were stopped or starved: nobody's silence of that time counts."""
        for slot in self._slots():
            if slot.child is not None:
                slot.child.last_heard = now

    def look(self, now: float) -> None:
        """Judge every worker that has been silent for half its time or longer."""
        timeout = self._timeout()
        children = [(slot, slot.child) for slot in self._slots() if slot.child is not None]
        quiet = [(slot, child) for slot, child in children if now - child.last_heard >= timeout / 2]
        silent = sum(now - child.last_heard >= timeout for _, child in quiet)
        looks = {child: self._seen(child, now, silent, len(children)) for _, child in quiet}
        self._waited = {child: self._waited[child] for child in looks}
        self._condemned &= {child for _, child in children}
        for slot, child in quiet:
            if child not in self._condemned and judge(looks[child], timeout) is Verdict.HUNG:
                self._end(slot, child)

    def _seen(self, child: WorkerProcess, now: float, silent: int, workers: int) -> WorkerSigns:
        run_wait = _run_wait(child.pid)
        at, before = self._waited.get(child, (now, run_wait))
        self._waited[child] = (now, run_wait)
        return WorkerSigns(
            silent_for=now - child.last_heard,
            own_lag=self.lag,
            disk_sleep=_in_disk_sleep(child.pid),
            run_wait=run_wait - before,
            watched_for=now - at,
            silent=silent,
            workers=workers,
        )

    def _end(self, slot: WorkerSlot, child: WorkerProcess) -> None:
        self._condemned.add(child)
        child.signal(signal.SIGUSR1)

        def kill() -> None:
            if slot.child is child:
                slot.kill("hang")

        asyncio.get_running_loop().call_later(DUMP_GRACE, kill)


def _in_disk_sleep(pid: int) -> bool:
    """Say whether a process waits for a disk, or may do so: one that can't be looked at. One that is gone does not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_DISK_SLEEP
    except psutil.Error:
        return False
    except OSError:  # no descriptor is left to look with
        return True


def _run_wait(pid: int) -> float:
    """Return the seconds that the main thread has waited for a CPU, 0 where the kernel does not tell."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
