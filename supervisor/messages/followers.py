"""Who follows the messages of a running fleet: woken when an inbox grew, reading on where it was. Shell.

A worker's report says up to which row its inbox is on disk (`MessageFeed.changed`); the feed gives these rows their
numbers, and a follower reads line after line. In case a report was lost, whoever follows looks now and then himself.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from xyfleet.supervisor.common.errors import UnknownName
from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.messages import query
from xyfleet.supervisor.messages.feed_file import FeedFile, Line
from xyfleet.supervisor.messages.inbox_files import Files, Unreadable
from xyfleet.supervisor.messages.query import Listing, Question, TooLong
from xyfleet.supervisor.messages.reader_thread import ReaderThread
from xyfleet.worker.storage.schema import Row

SWEEP: Final = 30.0
"""Seconds between two looks at all files, while somebody follows."""
PAGE: Final = 500
"""Lines read at one time."""
MOST_BYTES: Final = 4 * 2**20
"""Bytes of a page's messages, unless a single one has more."""
AGAIN: Final = 5.0
"""Seconds until it is tried again when the feed can't be written, or an inbox not be read."""
MOST_HELD: Final = 10_000
"""Messages of unreadable inboxes that a follower gets once they can be read; older ones he has to list."""
_NO_LIMIT: Final = 2**62


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

    def __init__(self, hub: MessageFeed, choose: Callable[[], Sequence[str]], after: int | None) -> None:
        self.ended = False
        """Nothing more will come."""
        self._hub = hub
        self._choose = choose
        self._accounts = frozenset(choose())
        self._after = after
        self._of = hub.feed.id
        """The feed that `_after` is a number of."""
        self._news = asyncio.Event()
        self._news.set()
        self._held: list[Line] = []
        """Lines of inboxes that could not be read."""
        self._troubles: dict[str, Text] = {}
        self._now_troubled: dict[str, Text] = {}
        self._told = -1

    async def take(self, wait: float) -> list[Piece]:
        """Return what is new as soon as there is something; perhaps nothing after `wait` seconds, or at the end."""
        with contextlib.suppress(UnknownName):  # accounts come and go; without any there is nothing to read
            self._accounts = frozenset(self._choose())
        await self._hub.look(self._accounts)
        if not self._news.is_set():
            left = AGAIN if self._held else self._hub.until_next_look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait, left)):
                    await self._news.wait()
        if self.ended:
            return []
        self._news.clear()
        names = self._hub.users(self._accounts)
        try:
            pieces = await self._hub.reader.ask(lambda files: list(self._read(files, names)))
        except (sqlite3.Error, OSError):  # no room for the feed's lines, perhaps: they are not lost
            await asyncio.sleep(min(wait, AGAIN))
            self._news.set()
            return []
        if self._after is not None and self._after < self._hub.feed.last:
            self._news.set()
        return pieces

    def wake(self) -> None:
        """There may be something new."""
        self._news.set()

    def end(self) -> None:
        """There will be no more."""
        self.ended = True
        self._news.set()

    def _read(self, files: Files, names: Mapping[str, str]) -> Iterator[Piece]:
        """Yield what is new, and keep the books: in the reader's thread."""
        feed = self._hub.feed
        if self._after is None:  # "from now on"
            feed.grow({})
            self._after, self._of = feed.last, feed.id
        lines = feed.lines(self._after, PAGE)
        if feed.id != self._of:  # it was ruined, and is another one: who follows has to list what came meanwhile
            self.ended = True
            return
        held, self._held = self._held, []
        data, lines = self._data(files, [*held, *lines], names)
        self._held += [line for line in held if line not in lines]
        for line in lines:
            self._after = max(self._after, line.seq)
            if (found := data.get(line)) is not None:
                self._told = self._after
                yield Piece(found, feed.cursor(self._after), names[line.unb])
        yield from self._new_troubles()
        if self._told != self._after:
            self._told = self._after
            yield Piece(None, feed.cursor(self._after))

    def _data(self, files: Files, lines: list[Line], names: Mapping[str, str]) -> tuple[dict[Line, bytes], list[Line]]:
        """Return the messages of lines as JSON, and the lines themselves: the first ones, when all are too long."""
        while True:
            wanted = [line for line in lines if line.unb in names]
            try:
                return self._messages(files, wanted, names), lines
            except TooLong:
                lines = lines[: max(1, len(lines) // 2)]

    def _messages(self, files: Files, lines: Sequence[Line], names: Mapping[str, str]) -> dict[Line, bytes]:
        found: dict[Line, bytes] = {}
        unread: list[Line] = []
        room = MOST_BYTES if len(lines) > 1 else _NO_LIMIT
        troubles = dict(self._hub.troubles)
        for unb in dict.fromkeys(line.unb for line in lines):
            by_row = {line.row: line for line in lines if line.unb == unb}
            try:
                with files.reading(names[unb]) as opened:
                    rows = {} if opened is None else query.read_lines(opened.db, names[unb], list(by_row), _json, room)
            except Unreadable as error:
                troubles[names[unb]] = error.why
                unread += by_row.values()
                continue
            found |= {by_row[row]: data for row, data in rows.items()}
            room -= sum(map(len, rows.values()))
        self._held = unread[-MOST_HELD:]
        self._now_troubled = {name: why for name, why in troubles.items() if name in self._accounts}
        return found

    def _new_troubles(self) -> Iterator[Piece]:
        """Say each trouble once."""
        before, self._troubles = self._troubles, self._now_troubled
        for account, why in self._troubles.items():
            if before.get(account) != why:
                yield Piece(None, "", account, why)


class MessageFeed:
    """
    All who follow, and the one reader of all.

    Args:
        where: Returns where an account's messages are; called in any thread. The file is named after its user.
        state_dir: The fleet's state folder, where the feed is.
    """

    def __init__(self, where: Callable[[str], Path], state_dir: Path, *, sweep: float = SWEEP) -> None:
        self.feed = FeedFile(state_dir / "feed.db", state_dir / "inbox")
        self.reader = ReaderThread(where, closing=self.feed.close)
        self.sweep = sweep
        self.troubles: dict[str, Text] = {}
        """Why accounts' inboxes could not be read when they were last looked at."""
        self._where = where
        self._followers: set[Follower] = set()
        self._grown: dict[str, int | None] = {}
        """Accounts whose rows have no lines yet, and up to which row they are on disk; None: nobody said."""
        self._growing: asyncio.Task[None] | None = None
        self._closed = False
        self._looked_at = float("-inf")
        self._signatures: dict[str, int] = {}
        self._written: set[str] = set()

    @property
    def followers(self) -> int:
        """How many follow now."""
        return len(self._followers)

    def users(self, accounts: Iterable[str]) -> dict[str, str]:
        """Return the accounts by their users."""
        return {self._where(account).stem: account for account in accounts}

    def known_row(self, account: str) -> int:
        """Return up to which row the fleet knows an account's messages."""
        return self.feed.heads.get(self._where(account).stem, 0)

    def changed(self, account: str, stored: int | None = None) -> None:
        """An account's inbox grew: its worker says so, and up to which row it is on disk; None: look there."""
        if self._closed:
            return
        self._grown[account] = stored
        if self._growing is None or self._growing.done():
            self._growing = asyncio.get_running_loop().create_task(self._grow())

    @contextlib.contextmanager
    def follow(self, choose: Callable[[], Sequence[str]], after: str | None = None) -> Iterator[Follower]:
        """
        Give a follower of the accounts that `choose` returns, behind a cursor; None: from now on.

        Raises:
            UnknownName: by `choose`, which is asked again as time goes by; then it is no error any more.
            BadCursor, Gone: as `FeedFile.place`.
        """
        follower = Follower(self, choose, None if after is None else self.feed.place(after))
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    async def listing(self, accounts: Sequence[str], asked: Question) -> tuple[Listing, str]:
        """Return the newest messages that fit, and the cursor behind which all comes that was not there."""

        def look(files: Files) -> tuple[Listing, str]:
            found = query.listing(files, accounts, asked)
            # Without room for it on the disk, say, messages can be read all the same; some are told again then.
            with contextlib.suppress(sqlite3.Error, OSError):
                self.feed.grow({self._where(account).stem: row for account, row in found.ends.items()})
            return found, self.feed.cursor(self.feed.last)

        answer = await self.reader.ask(look)
        self._wake()
        return answer

    async def forget(self, unb: str) -> None:
        """Leave out the messages of a user whose inbox was deleted for good."""
        await self.reader.ask(lambda files: self.feed.forget(unb))

    async def look(self, accounts: Iterable[str]) -> None:
        """When it is time, look at all files whether they grew without a word."""
        if time.monotonic() < self._looked_at + self.sweep:
            return
        self._looked_at = time.monotonic()
        names = sorted(accounts)
        seen = await self.reader.ask(lambda files: {one: files.signature(one) for one in names})
        written = {one for one in names if seen[one] != self._signatures.get(one, 0)}
        # What was written last time is looked at again: SQLite shows a row only some time after its bytes are in the
        # file (it waits for the disk in between), and then the file does not change any more.
        for account in written | (self._written & set(names)) | self.troubles.keys():
            self.changed(account)
        self._signatures, self._written = seen, written

    def until_next_look(self) -> float:
        """Return the seconds until it is time."""
        return max(0.0, self._looked_at + self.sweep - time.monotonic())

    def close(self) -> None:
        """End all followers, close the files. What inboxes get from now on has its lines at the next start."""
        self._closed = True
        for follower in self._followers:
            follower.end()
        if self._growing is not None:
            self._growing.cancel()
        self.reader.close()

    async def _grow(self) -> None:
        """Give lines to all rows that were told of, for as long as more are."""
        while self._grown:
            taken, self._grown = self._grown, {}
            try:
                await self.reader.ask(lambda files: self._lengthen(files, taken))  # noqa: B023 (it is done at once)
            except (sqlite3.Error, OSError):  # no room on the disk, perhaps
                self._grown = taken | self._grown
                await asyncio.sleep(AGAIN)
            self._wake()

    def _lengthen(self, files: Files, grown: Mapping[str, int | None]) -> None:
        ends: dict[str, int] = {}
        for account, stored in grown.items():
            self.troubles.pop(account, None)
            try:
                ends[self._where(account).stem] = query.last_row(files, account) if stored is None else stored
            except Unreadable as error:
                self.troubles[account] = error.why
        self.feed.grow(ends)

    def _wake(self) -> None:
        for follower in self._followers:
            follower.wake()


def _json(row: Row) -> bytes:
    return msgspec.json.encode(row.message)
