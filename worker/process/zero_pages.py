"""Gives the empty pages of one big object back to the system. Shell (the process's own memory)."""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Final

_DONTNEED: Final = 4
_libc: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def give_back_zeroes(thing: object) -> int:
    """
    Give the pages inside of one big object that hold nothing but zeroes back to the system; return their bytes.

    They read as zeroes afterwards as before, and take memory again once they are written to. A loop of uvloop has a
    buffer of 250,000 bytes for what comes in, of which this program's messages need few.
    """
    if _libc is None:
        return 0
    page = mmap.PAGESIZE
    first, end = -(-id(thing) // page), (id(thing) + type(thing).__basicsize__) // page
    empty = [number for number in range(first, end) if ctypes.string_at(number * page, page).count(0) == page]
    for number in empty:
        _libc.madvise(ctypes.c_void_p(number * page), ctypes.c_size_t(page), _DONTNEED)
    return len(empty) * page
