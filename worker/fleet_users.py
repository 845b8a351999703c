"""The user ids of a whole fleet, sorted in one file: the supervisor writes it, all workers map it. Shell (files).

A text from another account of the fleet is not for the handler: two of them would answer each other for ever. A set in
each worker's memory would be a copy of thousands of ids in each of thousands of processes; a mapped file is one.
"""

from __future__ import annotations

import array
import bisect
import hashlib
import mmap
import os
import sys
import time
from collections.abc import Iterable
from typing import Final

LOOK_EVERY: Final = 5.0
"""Seconds between two looks at whether the file is another one."""
_SIZE: Final = 8


def packed(users: Iterable[str]) -> bytes:
    """Return the file's content: an 8-byte digest of each id, sorted."""
    return array.array("Q", sorted(set(map(_number, users)))).tobytes()


class FleetUsers:
    """
    Tells which users are accounts of this fleet.

    Args:
        path: The file; "" = there is none, and nobody is.
        look_every: See `LOOK_EVERY`.
    """

    def __init__(self, path: str, look_every: float = LOOK_EVERY) -> None:
        self._path = path
        self._look_every = look_every
        self._looked = -float("inf")
        self._identity: tuple[int, int, int] | None = None
        self._numbers: memoryview | None = None

    def among(self, users: Iterable[str | None]) -> tuple[str, ...]:
        """Return those of the users who are in the file."""
        asked = {user for user in users if user is not None}
        if not asked or not self._path:
            return ()
        self._look()
        return tuple(sorted(user for user in asked if self._holds(_number(user))))

    def _holds(self, number: int) -> bool:
        if self._numbers is None:
            return False
        place = bisect.bisect_left(self._numbers, number)
        return place < len(self._numbers) and self._numbers[place] == number

    def _look(self) -> None:
        """
        Map the file anew when it is another one: it is replaced by rename, never written into.

        One that is gone is nobody's; one that can't be read now (no descriptor is left, say) leaves what is mapped:
        two accounts of one fleet must not begin to answer each other for that.
        """
        now = time.monotonic()
        if now < self._looked + self._look_every:
            return
        self._looked = now
        try:
            found = os.stat(self._path)
            identity = found.st_dev, found.st_ino, found.st_mtime_ns
            if identity != self._identity:
                self._numbers, self._identity = _mapped(self._path), identity
        except FileNotFoundError:
            self._numbers = self._identity = None
        except OSError:
            return  # the next look may do better


def _mapped(path: str) -> memoryview | None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        size = os.fstat(handle).st_size // _SIZE * _SIZE
        return memoryview(mmap.mmap(handle, size, prot=mmap.PROT_READ)).cast("Q") if size else None
    finally:
        os.close(handle)


def _number(user: str) -> int:
    digest = hashlib.blake2b(user.encode("utf-8", "replace"), digest_size=_SIZE).digest()
    return int.from_bytes(digest, sys.byteorder)
