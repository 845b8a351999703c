"""Kills and reaps what dead workers, login hooks and helpers leave behind. Shell.

The supervisor is a subreaper (prctl(2)): a process whose parents have ended becomes its child, be it in whatever group
or session. A living worker, and the guard of a hook, are subreapers too, so what comes here comes from a dead one. How
the tree is made, with measurements: docs/processes.md 5.3.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path
from typing import Final

from xyfleet.supervisor.common import own_children
from xyfleet.supervisor.workers.cpython import tracker_pid
from xyfleet.worker.process import descendants

EVERY: Final = 0.5
"""Seconds between two looks. A look costs one call unless somebody ended meanwhile."""
AGAIN: Final = 0.02
"""Seconds from a kill to the next look: the killed one's children come to us then."""
PATIENCE: Final = 1.0
"""Seconds at the end of the fleet for what is left."""
_INIT: Final = 1
_MARKS: Final = (b"XYFLEET_FORKSERVER=", b"XYFLEET_ACCOUNT=", b"XYFLEET_HELPER_OF=")
"""What the environment of every process from a worker, a hook or a helper has, unless it was cleared."""

log = logging.getLogger(__name__)


class Orphans:
    """Make it when all of this process's children of the moment are ones to keep."""

    def __init__(self) -> None:
        for pid in descendants.children():
            own_children.began(pid)  # also those from before an exec: a shell's, say
        self._deaths = own_children.deaths()
        self._left: set[int] = set()
        """Those that can't be killed, or are none of ours: said once."""
        self._busy = False

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(AGAIN if self._busy else EVERY)
            if self._busy or self._deaths != own_children.deaths() or self._somebody_ended():
                self._deaths = own_children.deaths()
                self._busy = self._end(await asyncio.to_thread(_children))

    async def close(self) -> None:
        """End all that came to us, and what threads still wait for, when everything else is gone."""
        own_children.end_helpers()
        async with asyncio.timeout(PATIENCE):
            while self._end(_children()):  # noqa: ASYNC110 (the kernel rings no bell for them)
                await asyncio.sleep(AGAIN)

    def _somebody_ended(self) -> bool:
        """Whether a child that is not our own has ended: as the init of a container we have any."""
        with contextlib.suppress(ChildProcessError):
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            return found is not None and not own_children.is_own(found.si_pid)
        return False

    def _end(self, children: list[int] | None) -> bool:
        """Kill and reap those of these children that came to us; return whether to look again at once."""
        if children is None or not own_children.complete():
            return True  # one of them may be ours, we do not know which
        own = tracker_pid()
        orphans = [pid for pid in children if pid != own and not own_children.is_own(pid)]
        self._left &= set(orphans)
        again = False
        for pid in orphans:
            if descendants.bury(pid):
                again = True  # its children came to us after we looked, if it ended after that
            elif pid not in self._left:
                again = self._kill(pid) or again
        return again

    def _kill(self, pid: int) -> bool:
        if _foreign(pid):
            self._left.add(pid)
            return False
        log.warning("pid %d was left behind by a process that ended; it is killed: %s", pid, _title(pid))
        if descendants.kill(pid):
            return True
        log.error("pid %d can't be killed: it is another user's", pid)
        self._left.add(pid)
        return False


def _foreign(pid: int) -> bool:
    """Whether it may come from outside the fleet: to the init of a container comes what `docker exec` leaves."""
    if os.getpid() != _INIT:
        return False
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False  # it hides its memory, as a worker and what it forks does
    return bool(environment) and not any(mark in environment for mark in _MARKS)


def _title(pid: int) -> str:
    """Return a process's name for the log; its arguments may be secret."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "?"


def _children() -> list[int] | None:
    """Return our children's pids, or None while no descriptor is left to look with."""
    try:
        return descendants.children()
    except OSError:
        return None
