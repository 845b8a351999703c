"""How far a reader has come in the messages of all accounts, as one short text. Pure.

A cursor is a time and a few places, which are stamps. Of an account that has a place all rows with a stamp up to it
were given; of every other account all rows with a stamp up to the time. So its length depends on how many accounts got
messages lately, not on how large the fleet is. Row numbers would not do: after `forget` a new inbox begins at 1 again,
while stamps go on. `Track` keeps the books while rows are given, and makes a cursor after each.

The time may only reach a moment by which every account was looked at (`Track.advance`), less a grace for rows that are
on disk later than their stamp says: a slow disk, a clock set back. A row that is later still is given to whoever is
connected, and missed by who comes back with a cursor from before it was seen. More than `MOST` places are never
written: accounts are left out then whose latest rows the reader gets a second time; none is ever left out of what it
gets.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import struct
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

MOST: Final = 128
"""Places in a cursor: it is at most 2.1 KB long, header lines may have 4 KB."""

_VERSION: Final = 1
_HEAD: Final = struct.Struct(">BQ")
_CHECK: Final = struct.Struct(">I")
_FAR: Final = 1 << 62
_KEY: Final = 6
_PLACE_BYTES: Final = _KEY + 6


class BadCursor(Exception):
    """The text is none of ours, or not all of it."""


class Cursor(NamedTuple):
    """A time in ms, and the places of some accounts by `key`: the stamps (ms) of the last rows that were given."""

    time: int
    places: Mapping[bytes, int] = {}


@functools.lru_cache(maxsize=4096)
def key(account: str) -> bytes:
    """Return what stands for an account in a cursor: names may be long. Two in 2000 are alike once in 10^8 fleets."""
    return hashlib.blake2b(account.encode(), digest_size=_KEY).digest()


def encode(cursor: Cursor) -> str:
    """Return a cursor as text of letters, digits, `-` and `_`."""
    data = _HEAD.pack(_VERSION, cursor.time)
    for name, stamp in cursor.places.items():
        data += name + stamp.to_bytes(_PLACE_BYTES - _KEY, "big")
    return _text(data + _CHECK.pack(zlib.crc32(data)))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> Cursor:
    """Return the cursor that `encode` made into `text`. Raises `BadCursor`."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        body, check = data[: -_CHECK.size], data[-_CHECK.size :]
        version, time = _HEAD.unpack_from(body)
        if version != _VERSION or _CHECK.pack(zlib.crc32(body)) != check or _text(data) != text:
            raise BadCursor(text)
    except (ValueError, binascii.Error, struct.error):
        raise BadCursor(text) from None
    records = range(_HEAD.size, len(body) - _PLACE_BYTES + 1, _PLACE_BYTES)
    return Cursor(time, dict(_record(body[at : at + _PLACE_BYTES]) for at in records))


def _record(data: bytes) -> tuple[bytes, int]:
    return data[:_KEY], int.from_bytes(data[_KEY:], "big")


class _Entry(NamedTuple):
    """An account that was looked at."""

    stamp: int
    """Of the last row given; every later row has a later one."""
    next: int | None
    """No row that was not given yet has an earlier stamp; None: there is no such row."""


class Track:
    """What one reader was given so far. Stamps grow from row to row of an account (its worker sees to that)."""

    def __init__(self, cursor: Cursor, most: int = MOST) -> None:
        self.time = cursor.time
        """The time of the cursor that would be made now."""
        self._began = cursor.time
        self._brought = dict(cursor.places)
        self._most = most
        self._entries: dict[str, _Entry] = {}
        self._listed: set[str] = set()
        """Accounts of which the cursor must have the place."""
        self._unread: set[str] = set()

    @property
    def crowded(self) -> bool:
        """Whether more accounts need a place than fit: the time should move on."""
        return len(self._listed) > self._most

    def place(self, account: str) -> int:
        """Return up to which stamp an account's rows were given."""
        entry = self._entries.get(account)
        return self._brought.get(key(account), self._began) if entry is None else entry.stamp

    def next(self, account: str) -> int | None:
        """Return the stamp before which the account has no further row; None if it has none, or nobody looked."""
        entry = self._entries.get(account)
        return None if entry is None else entry.next

    def found(self, account: str, stamp: int, next_stamp: int | None) -> None:
        """Somebody looked: all up to the row of `stamp` was given; the one behind it has `next_stamp` (None: none)."""
        self._put(account, _Entry(stamp, next_stamp))
        self._unread.discard(account)

    def given(self, account: str, stamp: int, next_stamp: int | None) -> None:
        """A row was given; the one behind it has `next_stamp`."""
        self._put(account, _Entry(stamp, next_stamp))

    def unread(self, account: str) -> None:
        """An account could not be looked at: it keeps its place, whatever the time."""
        place = self.place(account)
        self._unread.add(account)
        self._put(account, _Entry(place, place + 1))

    def advance(self, time: int) -> None:
        """
        Move the time on to `time`, if it is later.

        Every account was looked at by then, and each row with a stamp up to `time` that was not given belongs to an
        account whose place is kept: one that is `unread`, or whose `next` is not later than the time was before.
        """
        if time > self.time:
            self.time = time
            self._listed = {one for one in self._listed | self._unread if self._needs_place(self._entries[one])}

    def cursor(self) -> Cursor:
        """Return the cursor that continues here; each account of the cursor at the beginning was looked at."""
        time = self.time
        listed = [(name, self._entries[name]) for name in self._listed]
        if self.crowded:
            listed.sort(key=lambda one: _FAR if one[1].next is None else one[1].next)
            left_out = [entry.next for _, entry in listed[self._most :] if entry.next is not None]
            time = max(0, min([time, *(stamp - 1 for stamp in left_out)]))
            del listed[self._most :]
        return Cursor(time, {key(name): entry.stamp for name, entry in listed})

    def _put(self, account: str, entry: _Entry) -> None:
        self._entries[account] = entry
        if self._needs_place(entry):
            self._listed.add(account)
        else:
            self._listed.discard(account)

    def _needs_place(self, entry: _Entry) -> bool:
        """Whether the time alone does not say which of an account's rows were given."""
        return entry.stamp > self.time or (entry.next is not None and entry.next <= self.time)
