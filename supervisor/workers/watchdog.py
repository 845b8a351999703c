"""Looks at every worker a few times per `hang_timeout` and ends those that hang, and those only. Shell.

The rule is in `liveness`; this file looks at the process, asks a hung one for its stack (SIGUSR1, faulthandler) and
kills it.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import psutil

from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.workers.liveness import LAG_SMALL, Verdict, WorkerSigns, judge
from xyfleet.supervisor.workers.process import WorkerProcess

DUMP_GRACE: Final = 2.0
"""Seconds that a hung worker has to write its stack before SIGKILL."""
LOOKS: Final = 8
"""Looks per `hang_timeout`."""


class HangWatchdog:
    """The hang watchdog over all members."""

    def __init__(self, members: Mapping[str, SupervisedAccount], timeout: Callable[[], float]) -> None:
        self._members = members
        self._timeout = timeout
        self._waited: dict[int, tuple[float, float]] = {}
        """By pid: when a silent worker was looked at last, and how long it had waited for a CPU by then."""
        self._condemned: set[int] = set()
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
        for member in self._members.values():
            if member.child is not None:
                member.child.last_heard = now

    def look(self, now: float) -> None:
        """Judge every worker that has been silent for half its time or longer."""
        timeout = self._timeout()
        children = [(m, m.child) for m in self._members.values() if m.child is not None]
        quiet = [(m, c) for m, c in children if now - c.last_heard >= timeout / 2]
        silent = sum(now - c.last_heard >= timeout for _, c in quiet)
        looks = {c.pid: self._seen(c, now, silent, len(children)) for _, c in quiet}
        self._waited = {pid: self._waited[pid] for pid in looks}
        self._condemned &= {c.pid for _, c in children}
        for member, child in quiet:
            if child.pid not in self._condemned and judge(looks[child.pid], timeout) is Verdict.HUNG:
                self._end(member, child)

    def _seen(self, child: WorkerProcess, now: float, silent: int, workers: int) -> WorkerSigns:
        run_wait = _run_wait(child.pid)
        at, before = self._waited.get(child.pid, (now, run_wait))
        self._waited[child.pid] = (now, run_wait)
        return WorkerSigns(
            silent_for=now - child.last_heard,
            own_lag=self.lag,
            disk_sleep=_in_disk_sleep(child.pid),
            run_wait=run_wait - before,
            watched_for=now - at,
            silent=silent,
            workers=workers,
        )

    def _end(self, member: SupervisedAccount, child: WorkerProcess) -> None:
        self._condemned.add(child.pid)
        child.signal(signal.SIGUSR1)

        def kill() -> None:
            if member.child is child:
                member.slot.kill("hang")

        asyncio.get_running_loop().call_later(DUMP_GRACE, kill)


def _in_disk_sleep(pid: int) -> bool:
    """Say whether a process waits for a disk; one that is gone does not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_DISK_SLEEP
    except psutil.Error:
        return False


def _run_wait(pid: int) -> float:
    """Return the seconds that the main thread has waited for a CPU, 0 where the kernel does not tell."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
