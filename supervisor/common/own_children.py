"""Which children of the supervisor process it started itself; the rest came to it by somebody's end. Shell.

One list for the whole process, for so the kernel has it. Whoever starts a process says so here, and whoever waits for
one says that it is gone: `runtime.orphans` kills what is not on the list.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

_own: set[int] = set()
_starting = 0
_deaths = 0


def began(pid: int) -> None:
    """We started this one, and wait for its end ourselves."""
    _own.add(pid)


def ended(pid: int) -> None:
    """It was waited for: its number may be another's from now on. What it started may be ours now."""
    _own.discard(pid)
    note_death()


def note_death() -> None:
    """Somebody below us ended who may have left children."""
    global _deaths
    _deaths += 1


def deaths() -> int:
    """Return how many ends were noted so far."""
    return _deaths


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """While it holds, a child may be ours that is not on the list yet (an event loop's `subprocess_exec`)."""
    global _starting
    _starting += 1
    try:
        yield
    finally:
        _starting -= 1


def complete() -> bool:
    """Whether the list has all of ours."""
    return not _starting


def is_own(pid: int) -> bool:
    """Whether we started this child."""
    return pid in _own
