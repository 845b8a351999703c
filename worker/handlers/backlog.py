"""The messages of a store that wait for the handler: which are in mind, and where in the store the others begin. Shell.

What is in memory are the numbers of the next ones (`xyfleet.worker.handlers.ready_queue`), read a page at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from xyfleet.worker.handlers.ready_queue import MOST, Entry, ReadyQueue, entry_of
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.operations import Waiting
from xyfleet.worker.storage.schema import Row

PAGE: Final = 50
"""Messages read from the store at one time; memory is made room for so many before."""


class Backlog:
    """One account's waiting messages. `load()` is not called twice at a time."""

    def __init__(self, inbox: AsyncStore) -> None:
        self.queue = ReadyQueue()
        """Those that are in mind."""
        self._inbox = inbox
        self._cursor = 0
        """All rows up to this one are in the queue, left to be read again for their conversation, or not waiting."""
        self._behind = True
        """Whether there may be waiting rows beyond the cursor."""

    def added(self, rows: Sequence[Row]) -> None:
        """Hear of new rows of the store."""
        for row in rows:
            if row.state == "waiting" and not self._behind:
                self._take(entry_of(row))

    def reread(self) -> None:
        """Have the store looked at anew: old rows may wait again."""
        self._cursor = 0
        self._behind = True

    async def load(self) -> None:
        """Read on in the store while there is room."""
        if self._behind and not self._inbox.exists():
            self._behind = False
        for talk in self.queue.starving():
            if self._has_room():
                await self._read_talk(talk)
        while self._behind and self._has_room():
            await self._read_page()

    def _take(self, entry: Entry) -> None:
        """Hold a new row, or remember that it is in the store."""
        if self.queue.take(entry):
            self._cursor = max(self._cursor, entry.row)
        else:
            self._cursor = min(self._cursor, entry.row - 1)
            self._behind = True

    async def _read_page(self) -> None:
        after = self._cursor
        page = await self._inbox.do(Waiting(after, PAGE))
        if self._cursor != after:
            return  # all of it is to be looked at anew
        for row in page:
            if not self.queue.take(entry_of(row)):
                return
            self._cursor = row.row
        # Jobs of the inbox end in their order: of rows that came after this page was read we have yet to hear.
        self._behind = len(page) == PAGE

    async def _read_talk(self, talk: str) -> None:
        """Read on in a conversation of which all that was held is done."""
        after, end = self.queue.reopen(talk) - 1, self._cursor
        while after < end and self.queue.left(talk) is None:
            page = await self._inbox.do(Waiting(after, PAGE))
            for entry in (entry_of(row) for row in page):
                if entry.talk == talk and not self.queue.take(entry):
                    self.queue.leave(entry)
            after = page[-1].row if len(page) == PAGE else end

    def _has_room(self) -> bool:
        return len(self.queue) <= MOST - PAGE
