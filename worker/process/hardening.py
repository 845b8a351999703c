"""Ties a process to its parent, and keeps its memory to itself. Shell.

Linux only; elsewhere each function does nothing, and the end of the pipes is what ends a worker
(docs/processes.md 5.3).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from typing import Final

import setproctitle

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_CHILD_SUBREAPER: Final = 36
USUAL_FILES: Final = 1024
"""Soft limit of open files that Linux gives to programs; a worker has some 30 open."""
_libc: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with(parent: int, by: signal.Signals = signal.SIGKILL) -> None:
    """
    Have the kernel send this process `by` when `parent` dies; leave at once when it is dead already.

    The parent may die before the kernel is told; then this process has another parent by now, whichever that is.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, by, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def adopt() -> None:
    """Become the parent of descendants whose own parent ends: they can't leave our tree, whatever they do."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def keep_secrets() -> None:
    """No core dumps, and no look into this memory by other processes of the same user."""
    if _libc is not None:
        _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # A lower hard limit can't be refused; where limits don't exist there are no core files either.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_files() -> None:
    """
    Take the soft limit of open files back to the usual one, which the supervisor raised for itself.

    Programs that a handler starts may go through all numbers up to it. Whoever needs more may raise it again.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = USUAL_FILES if hard == resource.RLIM_INFINITY else min(USUAL_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def name_process(title: str) -> None:
    """Show this title in ps and top."""
    setproctitle.setproctitle(title)
