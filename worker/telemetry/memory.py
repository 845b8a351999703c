"""What this process costs in memory, told by itself: others may not look (the process is not dumpable). Shell."""

from __future__ import annotations

import contextlib
import time
from typing import Final

EVERY: Final = 60.0
"""Seconds between two readings; one walks all page tables of the process."""
_ROLLUP: Final = "/proc/self/smaps_rollup"


class Memory:
    """The proportional set size, read again when it is old, and for the first time after so many seconds."""

    def __init__(self, first_after: float) -> None:
        self._due = time.monotonic() + first_after
        self._bytes: int | None = None

    def __call__(self) -> int | None:
        """Return the bytes, or None: not read yet, or the system does not tell (macOS, old kernels)."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + EVERY
            with contextlib.suppress(OSError), open(_ROLLUP, "rb", buffering=0) as rollup:
                self._bytes = pss(rollup.read())
        return self._bytes


def pss(rollup: bytes) -> int | None:
    """Return the bytes of the `Pss:` line of a smaps file."""
    for line in rollup.splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return None
