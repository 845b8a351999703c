"""Signals that mean nothing to a supervisor, and must not end it. Shell."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Final

_NAMES: Final = ("SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGPOLL", "SIGPWR", "SIGSTKFLT")
UNUSED: Final = (
    *(getattr(signal, name) for name in _NAMES if hasattr(signal, name)),
    *(range(signal.SIGRTMIN, signal.SIGRTMAX + 1) if hasattr(signal, "SIGRTMIN") else ()),
)
"""Those whose default is the end, but for the ones that ask for it (TERM, INT, QUIT) or tell of a fault."""


def disarm() -> None:
    """Let the unused signals pass. By a handler, for the processes we start would inherit `SIG_IGN`."""
    for number in UNUSED:
        signal.signal(number, _pass)


def _pass(_number: int, _frame: FrameType | None) -> None:
    """Go on."""
