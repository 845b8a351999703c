"""Who follows the messages of a running fleet: woken when an inbox grew, reading on where it was. Shell.

A worker's report says that its inbox grew (`MessageFeed.changed`). In case a report was lost, and so that cursors move
on, a follower looks now and then itself which files were written to.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from xyfleet.supervisor.common.errors import UnknownName
from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.messages import merge
from xyfleet.supervisor.messages.cursor import Cursor, Track, encode
from xyfleet.supervisor.messages.inbox_files import Files
from xyfleet.supervisor.messages.merge import Ask, Page
from xyfleet.supervisor.messages.query import Listing, Question, listing
from xyfleet.supervisor.messages.reader_thread import ReaderThread

SWEEP: Final = 30.0
"""Seconds between two looks at all files."""
HASTE: Final = 2.0
"""Seconds between them while more accounts are busy than a cursor has places."""
GRACE: Final = 60_000
"""Milliseconds for which a row may be on disk later than its stamp says, or the clock be set back."""
LEAST_GRACE: Final = 2_000
"""The same while more accounts are busy than a cursor has places."""
PAGE: Final = 200
"""Messages read at one time."""


class Piece(NamedTuple):
    """Something for a follower."""

    data: bytes | None
    """A message as JSON; None: only the cursor is new, or there is a trouble."""
    cursor: str
    """Whoever comes back with it goes on behind this piece."""
    account: str | None = None
    trouble: Text | None = None
    """Why the account's messages can't be read."""


class Follower:
    """One reader, and how far it is."""

    def __init__(self, hub: MessageFeed, choose: Callable[[], Sequence[str]], after: Cursor | None) -> None:
        self.ended = False
        """Nothing more will come."""
        self._hub = hub
        self._choose = choose
        self._accounts = frozenset(choose())
        self._track: Track | None = None if after is None else Track(after)
        self._dirty: set[str] = set()
        self._news = asyncio.Event()
        self._inodes: dict[str, int] = {}
        self._signatures: dict[str, int] = {}
        self._written: set[str] = set()
        """Accounts whose file the last sweep found written to."""
        self._troubles: dict[str, Text] = {}
        self._swept_at = float("-inf")
        self._covered = 0
        """Wall time (ms) at which all accounts were last looked at."""
        self._told = ""

    async def take(self, wait: float) -> list[Piece]:
        """Return what is new as soon as there is something; perhaps nothing after `wait` seconds, or at the end."""
        swept = await self._sweep()
        if not (self._dirty or swept):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait, max(0.0, self._next_sweep() - time.monotonic()))):
                    await self._news.wait()
        if self.ended:
            return []
        self._news.clear()
        assert self._track is not None  # since the first sweep
        taken, self._dirty = self._dirty, set()
        track, covered = self._track, self._covered
        asks = [Ask(one, track.place(one), self._inodes.get(one), track.next(one)) for one in taken]

        def read(files: Files) -> tuple[list[Piece], Page]:
            """Read, and keep the books: off the loop too, for each of many pieces may have a long cursor."""
            found = merge.read(files, asks, PAGE)
            return [*self._told_troubles(found, taken), *self._given(found, covered), *self._moved()], found

        pieces, found = await self._hub.reader.ask(read)
        self._dirty |= found.more.keys()
        return pieces

    def changed(self, account: str) -> None:
        """An inbox grew."""
        if account in self._accounts:
            self._dirty.add(account)
            self._news.set()

    def end(self) -> None:
        """There will be no more."""
        self.ended = True
        self._news.set()

    def _next_sweep(self) -> float:
        crowded = self._track is not None and self._track.crowded
        return self._swept_at + (min(HASTE, self._hub.sweep) if crowded else self._hub.sweep)

    async def _sweep(self) -> bool:
        """Find out, when it is time, which files were written to; return whether it was time."""
        if time.monotonic() < self._next_sweep():
            return False
        self._swept_at = time.monotonic()
        began = self._hub.clock()
        with contextlib.suppress(UnknownName):  # accounts come and go; without any there is nothing to read
            self._accounts = frozenset(self._choose())
        accounts = sorted(self._accounts)
        found = await self._hub.reader.ask(lambda files: {one: files.signature(one) for one in accounts})
        self._covered = began
        if self._track is None:  # "from now on": what is there is no news
            self._covered = self._hub.clock() - 1  # a row of this very millisecond is still to come
            self._track = Track(Cursor(self._covered))
        else:
            written = {one for one in accounts if found[one] != self._signatures.get(one, 0)}
            # What was written last time is looked at again: SQLite shows a row only some time after its bytes are in
            # the file (it waits for the disk in between), and then the file does not change any more.
            self._dirty |= written | (self._written & self._accounts)
            self._written = written
            self._dirty |= self._troubles.keys() & self._accounts
        self._signatures = found
        return True

    def _told_troubles(self, found: Page, taken: set[str]) -> Iterator[Piece]:
        """Keep the places of accounts that can't be read; say each trouble once."""
        assert self._track is not None
        for account in taken - found.troubles.keys():
            self._troubles.pop(account, None)
        for account, why in found.troubles.items():
            self._track.unread(account)
            if self._troubles.get(account) != why:
                self._troubles[account] = why
                yield Piece(None, "", account, why)

    def _given(self, found: Page, covered: int) -> Iterator[Piece]:
        """Note what is given, piece by piece, each with the cursor behind it."""
        assert self._track is not None
        nexts = self._enter(found)
        ceiling = covered - (LEAST_GRACE if self._track.crowded else GRACE)
        last = min(found.more.values(), default=ceiling + 1)
        stamps = [*(one.stamp for one in found.given[1:]), last]
        for i, one in enumerate(found.given):
            self._track.given(one.account, one.stamp, nexts[i])
            self._track.advance(min(ceiling, min(stamps[i], last) - 1))
            if one.data is not None:
                self._told = encode(self._track.cursor())
                yield Piece(one.data, self._told, one.account)
        self._track.advance(min(ceiling, last - 1))

    def _enter(self, found: Page) -> list[int | None]:
        """Enter into the books where each account stands; return the stamp behind each row of the page."""
        assert self._track is not None
        upcoming: dict[str, int | None] = dict(found.more)
        nexts: list[int | None] = []
        for one in reversed(found.given):
            nexts.append(upcoming.get(one.account))
            upcoming[one.account] = one.stamp
        for account, base in found.bases.items():
            if account not in found.troubles:
                self._track.found(account, base.stamp, upcoming.get(account))
                self._inodes[account] = base.inode
        return nexts[::-1]

    def _moved(self) -> Iterator[Piece]:
        """Give the cursor when it is not the one given last: the first, and the shorter ones of quiet times."""
        assert self._track is not None
        cursor = encode(self._track.cursor())
        if cursor != self._told:
            self._told = cursor
            yield Piece(None, cursor)


class MessageFeed:
    """All who follow, and the one reader of all."""

    def __init__(
        self, where: Callable[[str], Path], *, sweep: float = SWEEP, clock: Callable[[], float] = time.time
    ) -> None:
        self.reader = ReaderThread(where)
        self.sweep = sweep
        self._clock = clock
        self._followers: set[Follower] = set()

    @property
    def followers(self) -> int:
        """How many follow now."""
        return len(self._followers)

    def clock(self) -> int:
        """Return the wall time in ms."""
        return int(self._clock() * 1000)

    def changed(self, account: str) -> None:
        """An account's inbox grew: its worker says so."""
        for follower in self._followers:
            follower.changed(account)

    @contextlib.contextmanager
    def follow(self, choose: Callable[[], Sequence[str]], after: Cursor | None = None) -> Iterator[Follower]:
        """
        Give a follower of the accounts that `choose` returns, behind a cursor; None: from now on.

        Raises:
            UnknownName: by `choose`, which is asked again as time goes by; then it is no error any more.
        """
        follower = Follower(self, choose, after)
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    async def listing(self, accounts: Sequence[str], asked: Question) -> Listing:
        """Return the newest messages that fit."""
        covered = self.clock() - GRACE

        def look(files: Files) -> Listing:
            return listing(files, accounts, asked, covered)

        return await self.reader.ask(look)

    def close(self) -> None:
        """End all followers, close the files."""
        for follower in self._followers:
            follower.end()
        self.reader.close()
