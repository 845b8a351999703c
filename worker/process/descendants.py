"""Ends what the processes under this one have left behind, and buries it. Shell (Linux's subreapers, prctl(2))."""

from __future__ import annotations

import os
import signal
import time
from typing import Final

LOOK_AGAIN: Final = 0.01
"""Seconds from a kill to the look whether it is done, and whose children came to us by it."""


def children() -> list[int]:
    """Return the pids of this process's children, zombies included. It reads one small file per process there is."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _parent(pid) == os.getpid()]


def bury(pid: int) -> bool:
    """Reap a child that has ended, and that nobody else waits for; return whether it is gone."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG) is not None
    except ChildProcessError:
        return True


def kill(pid: int) -> bool:
    """Kill a child that is not reaped yet, so that its number is still its own; return whether we may."""
    try:
        os.kill(pid, signal.SIGKILL)
    except PermissionError:
        return False  # it became another user's
    return True


def end_all(patience: float) -> None:
    """
    Kill all children, and those that come to us by their parents' ends, until there are none.

    Only for a process in which nobody waits for a child. What is another user's, or in an uninterruptible wait, is
    left after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while _any() and time.monotonic() < deadline:
        left = children()
        for pid in left:
            kill(pid)
        time.sleep(LOOK_AGAIN)
        for pid in left:
            bury(pid)


def _any() -> bool:
    """Whether this process has children: without any, nothing is to be looked through."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _parent(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rpartition(b")")[2].split()[1])
    except OSError:
        return None  # it has ended meanwhile
