"""The waiting messages that a dispatcher has in mind, few of many: who is next, in what order. Pure.

The messages themselves stay in the store; here are their numbers. Of one conversation only the first few are held, so
that a talkative one leaves room for the others; where the rest of it begins is remembered.
"""

from __future__ import annotations

import bisect
from collections import deque
from typing import Final, NamedTuple

from xyfleet.worker.protocol.message import TALK, millis
from xyfleet.worker.storage.schema import ASKED, Row

MOST: Final = 200
"""Messages held. Orders and cards that rest don't count: while they wait for the platform, talk must be answered."""
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
    trade: bool = False
    """Whether it tells of an order, which is never too old."""
    line: str | None = None
    """Who said it, where it is talk: a line that may be handed over with others, and that waits for no failed one."""

    def goes_with(self, other: Entry) -> bool:
        """Tell whether one call may be for both."""
        return self.line is not None and (self.line, self.asked) == (other.line, other.asked)


def entry_of(row: Row) -> Entry:
    """Return what is to be kept in mind of a message."""
    message = row.message
    talk = f"row {row.row}" if message.conversation is None else f"talk {message.conversation}"
    line = message.sender if message.kind in TALK and message.conversation is not None else None
    trade = message.order is not None or message.order_status is not None
    return Entry(row.row, talk, millis(message.time), message.attempt, row.reason == ASKED, trade, line)


class _Talk:
    """One conversation: `rows` are to be called, all before row `left`, the first that is not held."""

    __slots__ = ("busy", "left", "offered", "resting", "rows", "strict")

    def __init__(self) -> None:
        self.rows: list[Entry] = []
        self.busy: dict[int, Entry] = {}
        self.left: int | None = None
        self.resting: dict[int, Entry] = {}
        """Their call failed, and another one follows; others may be called meanwhile."""
        self.strict = False
        """Whether they may not: nobody could be called."""
        self.offered = False

    def has(self, row: int) -> bool:
        return row in self.busy or row in self.resting or any(entry.row == row for entry in self.rows)

    @property
    def idle(self) -> bool:
        return not (self.busy or self.rows or self.resting)

    @property
    def is_ready(self) -> bool:
        """Whether a call may begin. Lines pass what failed before them; orders and cards keep their order."""
        if not self.rows or self.busy or self.strict:
            return False
        return self.rows[0].line is not None or all(entry.line is not None for entry in self.resting.values())

    def take_first(self, *, together: bool) -> list[Entry]:
        """Return what the next call is for: the first entry, or with it all lines of the same person around it."""
        first, count = self.rows[0], 1
        if together and first.line is not None:
            while count < len(self.rows) and first.goes_with(self.rows[count]):
                count += 1
        chosen = self.rows[:count]
        del self.rows[:count]
        return chosen


class ReadyQueue:
    """
    Holds entries; of each conversation one at a time, or several lines together, are `next()`.

    Args:
        most: Entries that are held.
        most_of_talk: Of one conversation.
    """

    def __init__(self, most: int = MOST, most_of_talk: int = MOST_OF_TALK) -> None:
        self._most = most
        self._most_of_talk = most_of_talk
        self._talks: dict[str, _Talk] = {}
        self._ready: deque[str] = deque()
        self._held = 0
        self._waited_for: set[str] = set()
        """Conversations of which no call may begin; they need not be in mind yet."""

    def __len__(self) -> int:
        return self._held

    @property
    def has_next(self) -> bool:
        """Whether there is a message to call the handler with."""
        return any(self._talks[name].is_ready for name in self._ready if name not in self._waited_for)

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

    def next(self, *, together: bool = False) -> list[Entry]:
        """
        Return the entries whose call is to begin: the first of the conversation that has waited longest; [] = none.

        Args:
            together: Whether lines of one person that follow each other are one call, those whose call failed too.
        """
        while self._ready:
            name = self._ready.popleft()
            talk = self._talks[name]
            talk.offered = False
            if not talk.is_ready or name in self._waited_for:
                continue
            if together:
                self._rejoin(talk)
            chosen = talk.take_first(together=together)
            talk.busy = {entry.row: entry for entry in chosen}
            return chosen
        return []

    def done(self, entry: Entry) -> None:
        """Forget an entry: its call is over, and no other follows."""
        talk = self._talks[entry.talk]
        talk.busy.pop(entry.row, None)
        self._held -= 1
        self._offer(entry.talk, talk)

    def rest(self, entry: Entry, *, strict: bool = False) -> None:
        """
        Keep an entry whose call is over for another one, until `release()`.

        Args:
            strict: Whether its whole conversation rests with it.
        """
        talk = self._talks[entry.talk]
        talk.busy.pop(entry.row, None)
        talk.resting[entry.row] = entry
        self._held -= entry.line is None
        talk.strict = talk.strict or strict
        self._offer(entry.talk, talk)

    def release(self, entry: Entry) -> None:
        """End an entry's rest; one that was called with others meanwhile does not rest any more."""
        talk = self._talks.get(entry.talk)
        rested = None if talk is None else talk.resting.pop(entry.row, None)
        if talk is None or rested is None:
            return
        talk.strict = talk.strict and bool(talk.resting)
        bisect.insort(talk.rows, rested)
        self._held += rested.line is None
        self._offer(entry.talk, talk)

    def hold(self, name: str) -> None:
        """Begin no call for a conversation until `let_go()`."""
        self._waited_for.add(name)

    def let_go(self, name: str) -> None:
        """End that."""
        self._waited_for.discard(name)
        if (talk := self._talks.get(name)) is not None:
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

    def _rejoin(self, talk: _Talk) -> None:
        """Take back lines whose call failed: what came after them is handed over with them."""
        if not (line := talk.rows[0].line):
            return
        for row in [entry.row for entry in talk.resting.values() if entry.line == line]:
            bisect.insort(talk.rows, talk.resting.pop(row))

    def _insert(self, name: str, talk: _Talk, entry: Entry) -> None:
        bisect.insort(talk.rows, entry)
        self._held += 1
        self._offer(name, talk)

    def _offer(self, name: str, talk: _Talk) -> None:
        if talk.idle and talk.left is None:
            self._talks.pop(name, None)
        elif talk.is_ready and not talk.offered and name not in self._waited_for:
            talk.offered = True
            self._ready.append(name)
