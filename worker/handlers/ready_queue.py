"""The waiting messages that a dispatcher has in mind, few of many: who is next, in what order. Pure.

The messages themselves stay in the store; here are their numbers. Of one conversation only the first few are held, so
that a talkative one leaves room for the others; where the rest of it begins is remembered.
"""

from __future__ import annotations

import bisect
from collections import deque
from typing import Final, NamedTuple

from xyfleet.worker.protocol.message import millis
from xyfleet.worker.storage.schema import ASKED, Row

MOST: Final = 200
"""Messages held."""
MOST_OF_TALK: Final = 8


class Entry(NamedTuple):
    """A waiting message. Entries are in the order of their rows."""

    row: int
    talk: str
    """Its conversation; of a message without one, which has no order to keep, a name of its own."""
    time: int
    """Milliseconds since the epoch."""
    attempt: int
    """Calls so far."""
    asked: bool
    """Whether a person wants it handled, whatever its age."""


def entry_of(row: Row) -> Entry:
    """Return what is to be kept in mind of a message."""
    message = row.message
    talk = f"row {row.row}" if message.conversation is None else f"talk {message.conversation}"
    return Entry(row.row, talk, millis(message.time), message.attempt, row.reason == ASKED)


class _Talk:
    """One conversation: `rows` are to be called, all before row `left`, the first that is not held."""

    __slots__ = ("busy", "left", "offered", "resting", "rows")

    def __init__(self) -> None:
        self.rows: list[Entry] = []
        self.busy: Entry | None = None
        self.left: int | None = None
        self.resting = False
        self.offered = False

    def has(self, row: int) -> bool:
        return any(entry.row == row for entry in self.rows) or (self.busy is not None and self.busy.row == row)

    @property
    def idle(self) -> bool:
        return self.busy is None and not self.rows and not self.resting


class ReadyQueue:
    """Holds entries; of each conversation one at a time is `next()`."""

    def __init__(self, most: int = MOST, most_of_talk: int = MOST_OF_TALK) -> None:
        self._most = most
        self._most_of_talk = most_of_talk
        self._talks: dict[str, _Talk] = {}
        self._ready: deque[str] = deque()
        self._held = 0

    def __len__(self) -> int:
        return self._held

    @property
    def has_next(self) -> bool:
        """Whether there is a message to call the handler with."""
        return bool(self._ready)

    @property
    def has_talks(self) -> bool:
        """Whether anything at all is kept in mind."""
        return bool(self._talks)

    def take(self, entry: Entry) -> bool:
        """Hold an entry, or remember that its conversation goes on with it; False when there is no room for it."""
        talk = self._talks.get(entry.talk) or _Talk()
        if talk.has(entry.row) or (talk.left is not None and entry.row >= talk.left):
            return True
        if len(talk.rows) >= self._most_of_talk:
            bisect.insort(talk.rows, entry)
            talk.left = talk.rows.pop().row
            return True
        if self._held >= self._most:
            return False
        self._talks[entry.talk] = talk
        self._insert(entry.talk, talk, entry)
        return True

    def next(self) -> Entry | None:
        """Return the entry whose call is to begin: the first of the conversation that has waited longest."""
        if not self._ready:
            return None
        talk = self._talks[self._ready.popleft()]
        talk.offered = False
        talk.busy = talk.rows.pop(0)
        return talk.busy

    def done(self, entry: Entry) -> None:
        """Forget an entry: its call is over, and no other follows."""
        talk = self._talks[entry.talk]
        talk.busy = None
        self._held -= 1
        self._offer(entry.talk, talk)

    def rest(self, entry: Entry) -> None:
        """Keep an entry whose call is over for another one; its conversation rests until `release()`."""
        talk = self._talks[entry.talk]
        talk.busy = None
        talk.resting = True
        bisect.insort(talk.rows, entry)

    def release(self, name: str) -> None:
        """End a conversation's rest."""
        talk = self._talks[name]
        talk.resting = False
        self._offer(name, talk)

    def starving(self) -> list[str]:
        """Return conversations that go on in the store, and of which nothing is held any more."""
        return [name for name, talk in self._talks.items() if talk.idle and talk.left is not None]

    def left(self, name: str) -> int | None:
        """Return the row with which a conversation goes on in the store, None = all of it is held."""
        talk = self._talks.get(name)
        return None if talk is None else talk.left

    def reopen(self, name: str) -> int:
        """Return the row with which a conversation goes on in the store; its entries are to be taken again."""
        left = self._talks.pop(name).left
        assert left is not None
        return left

    def leave(self, entry: Entry) -> None:
        """Remember that a conversation goes on with an entry for which there was no room."""
        talk = self._talks.setdefault(entry.talk, _Talk())
        talk.left = entry.row if talk.left is None else min(talk.left, entry.row)

    def _insert(self, name: str, talk: _Talk, entry: Entry) -> None:
        bisect.insort(talk.rows, entry)
        self._held += 1
        self._offer(name, talk)

    def _offer(self, name: str, talk: _Talk) -> None:
        if talk.idle and talk.left is None:
            del self._talks[name]
        elif talk.rows and talk.busy is None and not talk.resting and not talk.offered:
            talk.offered = True
            self._ready.append(name)
