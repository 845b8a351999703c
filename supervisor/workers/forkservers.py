"""Keeps one forkserver ready for starts; those before it live on as long as their workers. Shell."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
from collections.abc import Callable
from typing import Final

from xyfleet.supervisor.workers.forkserver import Forkserver

READY_TIMEOUT: Final = 60.0
"""Seconds that the imports of a forkserver may take: a cold disk or a busy machine is no fault."""
LATE: Final = 1.0
"""A timer that rings so much later (in seconds) says that we were stopped or starved, and nothing about others."""
SHORT_LIFE: Final = 3.0
"""A forkserver that dies sooner (in seconds) may do so again: the next launch waits."""
RELAUNCH_PAUSE: Final = 3.0
MOST_RETIRED: Final = 3
"""Forkservers that may live on without being used; each takes some 30 MiB. After that the newest one is waited for."""

log = logging.getLogger(__name__)


class Forkservers:
    """
    The forkservers of a fleet. Nothing waits: what happens to them are events.

    Args:
        first: The one that was launched before there was an event loop.
        ready: Called when starts may be asked for.
        died: Called with the pid of one that ended; its workers, if there are any, end with it.
    """

    def __init__(self, first: Forkserver, ready: Callable[[], None], died: Callable[[int], None]) -> None:
        self._folder = first.folder
        self._ready = ready
        self._died = died
        self._loop = asyncio.get_running_loop()
        self._newest: Forkserver | None = None
        self._retired: set[Forkserver] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._take(first)

    @property
    def ready(self) -> Forkserver | None:
        """The one that takes starts."""
        return self._newest if self._newest is not None and self._newest.ready else None

    def lives(self, pid: int) -> bool:
        """Whether the forkserver with this pid lives."""
        return any(forkserver.pid == pid and forkserver.alive for forkserver in self._all())

    def retire(self, pid: int, why: str) -> bool:
        """Launch another one beside the one with this pid, and return whether that is done; never kill it."""
        stuck = self._newest
        if stuck is None or stuck.pid != pid or len(self._retired) >= MOST_RETIRED:
            return False
        log.warning("forkserver %d %s; another one takes the starts", pid, why)
        stuck.retire()
        self._retired.add(stuck)
        self._newest = None
        self._launch()
        return True

    def close(self) -> None:
        """Kill all; their workers must be gone by now, or go with them."""
        if self._alarm is not None:
            self._alarm.cancel()
        for forkserver in self._all():
            self._unwatch(forkserver)
            forkserver.kill()
            forkserver.close()

    def _all(self) -> list[Forkserver]:
        return [*self._retired, *([] if self._newest is None else [self._newest])]

    def _launch(self) -> None:
        self._alarm = None
        try:
            self._take(Forkserver(self._folder))
        except (OSError, subprocess.SubprocessError) as error:
            log.error("cannot start a forkserver: %s", error)
            self._alarm = self._loop.call_later(RELAUNCH_PAUSE, self._launch)

    def _take(self, forkserver: Forkserver) -> None:
        self._newest = forkserver
        self._loop.add_reader(forkserver.pidfd, self._ended, forkserver)
        self._loop.add_reader(forkserver.told, self._told, forkserver)
        self._wait_until_ready(forkserver)

    def _unwatch(self, forkserver: Forkserver) -> None:
        self._loop.remove_reader(forkserver.pidfd)
        self._loop.remove_reader(forkserver.told)

    def _wait_until_ready(self, forkserver: Forkserver) -> None:
        self._loop.call_later(READY_TIMEOUT, self._not_ready, forkserver, self._loop.time() + READY_TIMEOUT)

    def _not_ready(self, forkserver: Forkserver, due: float) -> None:
        if forkserver.ready or forkserver is not self._newest:
            return
        late = self._loop.time() - due > LATE
        if late or not self.retire(forkserver.pid, f"is not ready after {forkserver.age:.0f} s"):
            self._wait_until_ready(forkserver)

    def _told(self, forkserver: Forkserver) -> None:
        """It is ready, or it ends: that its pidfd tells."""
        self._loop.remove_reader(forkserver.told)
        forkserver.ready = bool(os.read(forkserver.told, 1))
        if forkserver is self._newest and forkserver.ready:
            self._ready()

    def _ended(self, forkserver: Forkserver) -> None:
        self._unwatch(forkserver)
        if forkserver is self._newest:
            self._newest = None
            log.error("the forkserver died after %.1f s; its workers are started again", forkserver.age)
            again = RELAUNCH_PAUSE if forkserver.age < SHORT_LIFE else 0.0
            self._alarm = self._loop.call_later(again, self._launch)
        self._retired.discard(forkserver)
        self._died(forkserver.pid)
        forkserver.close()
        log.info("forkserver %d has ended: %s", forkserver.pid, forkserver.exit_code)
