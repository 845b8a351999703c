"""What this process costs in memory, told by itself: others may not look (the process is not dumpable). Shell."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Final

EVERY: Final = 60.0
"""Seconds between two readings; one walks all page tables of the process."""
_ROLLUP: Final = Path("/proc/self/smaps_rollup")


class Memory:
    """The proportional set size, read again when it is old."""

    def __init__(self) -> None:
        self._read_at = float("-inf")
        self._bytes: int | None = None

    def __call__(self) -> int | None:
        """Return the bytes, or None where the system does not tell (macOS, old kernels)."""
        now = time.monotonic()
        if now - self._read_at >= EVERY:
            self._read_at = now
            with contextlib.suppress(OSError):
                self._bytes = pss(_ROLLUP.read_bytes())
        return self._bytes


def pss(rollup: bytes) -> int | None:
    """Return the bytes of the `Pss:` line of a smaps file."""
    for line in rollup.splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return None
