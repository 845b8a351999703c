"""Reaps the processes that a worker's handler left to it: nobody else would before the worker's end. Shell.

A worker is a subreaper (`hardening.adopt`): a daemon of a handler becomes the worker's child when its parent ends, and
a zombie when it ends itself. What the handler's own code started it waits for itself, when it likes, and finds the exit
code there; so those starts are remembered, and never waited for here.
"""

from __future__ import annotations

import _posixsubprocess
import asyncio
import os
import subprocess
from collections.abc import Callable
from typing import Any, Final

from xyfleet.worker.process import descendants

GRACE: Final = 0.25
"""Seconds: a library in C says nothing to us of what it starts, and waits for it at once."""
_cleanup: Final[Callable[[], None]] = getattr(subprocess, "_cleanup", lambda: None)
"""Waits for those whose `Popen` nobody keeps, as each new `Popen` does."""
_STARTS: Final = (
    (os, "fork"),
    (os, "forkpty"),
    (os, "posix_spawn"),
    (os, "posix_spawnp"),
    (_posixsubprocess, "fork_exec"),
    (subprocess, "_fork_exec"),
)
"""All ways in which Python's library makes a process, as its modules call them."""


class Adopted:
    """What this process's code started itself, and what came to it. Make it before any of its code is imported."""

    def __init__(self) -> None:
        self._started: set[int] = set()
        for module, name in _STARTS:
            start = getattr(module, name, None)
            if start is not None:
                setattr(module, name, self._remembering(start))

    async def run(self, every: float, grace: float = GRACE) -> None:
        """Reap for ever who came to us and ended; look every so many seconds."""
        while True:
            await asyncio.sleep(every)
            await self.look(grace)

    async def look(self, grace: float = GRACE) -> None:
        """
        Reap who came to us and has ended, if nobody did within `grace` seconds.

        One that its own starter keeps and does not wait for hides those behind it, until the worker ends.
        """
        _cleanup()
        self._started.difference_update([pid for pid in list(self._started) if not _is_child(pid)])
        while (pid := _ended()) and pid not in self._started:
            await asyncio.sleep(grace)
            if _ended() == pid and pid not in self._started:
                descendants.bury(pid)

    def _remembering(self, start: Callable[..., Any]) -> Callable[..., Any]:
        def remember(*args: Any, **more: Any) -> Any:
            told = start(*args, **more)
            pid = told[0] if isinstance(told, tuple) else told
            self._started.add(pid)
            return told

        return remember


def _is_child(pid: int) -> bool:
    """Whether a process that was started here was not waited for yet: afterwards its number may be another's."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _ended() -> int:
    """Return the pid of a child that has ended and was not waited for, 0 if there is none."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0
    return 0 if found is None else found.si_pid
