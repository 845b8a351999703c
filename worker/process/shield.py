"""What makes a process the fleet's forkserver, and what it leaves for the workers that are forked from it. Shell."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
from types import FrameType
from typing import Final

from xyfleet.worker.connection.client_tls import client_tls
from xyfleet.worker.process import descendants, hardening
from xyfleet.worker.process.build_id import build_id

MARKER: Final = build_id()
"""The version and digest of the program files that this forkserver runs."""
SSL_CONTEXT: Final = client_tls()
"""The trust store of the system, shared by all workers; one of its own costs each 26 ms and 1.5 MiB."""

ENDING: Final = 5.0
"""Seconds to end what a dead supervisor left; longer lives only what the kernel itself can't end."""

_preloaded = len(sys.modules)


def become_forkserver(supervisor: int) -> None:
    """Let nothing but the death of `supervisor` (its pid, our parent) or a SIGKILL end this process."""
    hardening.die_with(supervisor)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    # Out of the terminal's foreground group; the leader of a session has a group of its own already.
    with contextlib.suppress(PermissionError):
        os.setpgid(0, 0)
    hardening.keep_secrets()


def end_all_after(supervisor: int) -> None:
    """
    From now on the supervisor's death ends our workers, all that they started, and us.

    A worker that the kernel kills by our death would leave its handler's processes to init. So it is a signal that
    tells us, and we are the last to go. One who is stopped meanwhile is continued by the kernel (an orphaned process
    group), and a worker leaves by itself when its pipe ends.
    """
    home = os.getpid()

    def heard(_number: int, _frame: FrameType | None) -> None:
        if os.getpid() == home and os.getppid() != supervisor:
            hardening.adopt()
            descendants.end_all(ENDING)
            os._exit(0)

    signal.signal(signal.SIGTERM, heard)
    hardening.die_with(supervisor, by=signal.SIGTERM)


def tell_ready() -> None:
    """Tell the supervisor that starts may come, over the pipe that it gave us, if it did."""
    telling = os.environ.pop("XYFLEET_READY", None)
    if telling is not None:
        os.write(int(telling), b"1")
        os.close(int(telling))


def remember_imports() -> None:
    """All that is imported by now, a worker finds in memory that it shares with the others."""
    global _preloaded
    _preloaded = len(sys.modules)


def imported_since(most: int) -> list[str]:
    """
    Return the modules that this process had to import beyond the preload, sorted, at most so many.

    New modules stand last. Looking at all of them would make a private copy of 0.7 MiB of the shared memory.
    """
    late = itertools.islice(reversed(sys.modules), len(sys.modules) - _preloaded)
    return sorted(late)[:most]
