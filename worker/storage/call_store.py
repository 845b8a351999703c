"""The handler's half of an account's store: which messages wait for it, and how far each call came. Shell (SQLite).

Each method is an operation (`xyfleet.worker.storage.operations`): the transaction around it is the writer's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, Literal

from xyfleet.worker.storage import handler_pause, receivers
from xyfleet.worker.storage.outbox_store import OutboxStore
from xyfleet.worker.storage.results import MOST_QUEUED, OUTBOX_FULL, LetterPart, ReplyBound
from xyfleet.worker.storage.schema import ASKED, COLUMNS, OPEN, TAKEN_OVER, Row, row_of

NO_TALK: Final = "no conversation to reply in"
NOBODY: Final = "it is not known who is to receive the reply"
"""The reasons of dead letters that the handler has answered."""


class CallStore(OutboxStore):
    """
    The messages of a store, as the handler's calls see them.

    Args:
        account: Its name, which is part of every message.
    """

    def __init__(self, db: sqlite3.Connection, account: str) -> None:
        super().__init__(db)
        self._account = account

    def recover(self, on_unknown: Literal["park", "retry"], now: int) -> None:
        """Settle what a crash left half done. For the first opening in a process, before anything else."""
        if on_unknown == "park":
            reason = "xyfleet ended in the middle of the call"
            change = f"UPDATE messages SET state = 'parked', reason = ? WHERE {OPEN} AND state = 'calling'"
            self.db.execute(change, (reason,))
        else:
            self.db.execute(f"UPDATE messages SET state = 'waiting' WHERE {OPEN} AND state = 'calling'")
        self.db.execute(
            "UPDATE outbox SET state = 'unknown', reason = ?, settled = ?"
            " WHERE state IN ('queued', 'sending', 'unknown') AND state = 'sending'",
            ("xyfleet ended before the answer came", now),
        )
        self._bury("state IN ('queued', 'sending', 'unknown') AND state = 'unknown' AND settled = ?", now)

    def row(self, row: int) -> Row | None:
        """Return a message as it stands."""
        return next(iter(self._rows("row = ?", row)), None)

    def waiting(self, after_row: int, limit: int) -> list[Row]:
        """Return messages that wait for the handler, in the order of their coming, behind a row number."""
        return self._rows(f"{OPEN} AND state = 'waiting' AND row > ? ORDER BY row LIMIT ?", after_row, limit)

    def begin(self, row: int, attempt: int, bound: ReplyBound | None = None, now: int = 0) -> Row | None:
        """
        Note that a call begins; None when the message waits no more. The reason stays.

        Args:
            attempt: Calls before this one.
            bound: What makes it a dead letter instead, which is returned as such: a person asks for it again, or
                nobody. Two programs that answer each other would go on for ever.
        """
        held = self.row(row)
        if bound is not None and held is not None and self.has_had_enough(held, bound, now):
            reason = f"more than {bound.most} automatic messages in {bound.within / 1000:g} s in this conversation"
            self.give_up(row, "failed", reason)
            return self.row(row)
        self.db.execute(
            "UPDATE messages SET state = 'calling', attempt = attempt + 1"
            " WHERE row = ? AND state = 'waiting' AND attempt = ?",
            (row, attempt),
        )
        return next(iter(self._rows("row = ? AND state = 'calling' AND attempt = ?", row, attempt + 1)), None)

    def finish(self, row: int, letters: Sequence[LetterPart], uuid: str, now: int, hand_over: int = 0) -> int | None:
        """
        Note that a call ended well, and put its letters into the outbox, unless the owner took over meanwhile.

        Args:
            hand_over: Milliseconds for which the conversation's talk is a person's from now on.

        Returns:
            The first letter's number in the outbox; None when there is none.
        """
        held = self._letter("uuid = ?", uuid)
        if held is not None:
            return held.number
        if not self._move(row, "calling", "done", "reason = NULL") or not (letters or hand_over):
            return None
        id_, talk, kind = self.db.execute(
            "SELECT id, conversation, kind FROM messages WHERE row = ?", (row,)
        ).fetchone()
        if handler_pause.is_paused(self.db, talk, kind, now):
            self._explain(row, TAKEN_OVER)
            return None
        if letters and (refusal := self._refusal(row, talk, len(letters))) is not None:
            self._move(row, "done", "failed")
            self._explain(row, refusal)
            return None
        if talk is not None and hand_over:
            handler_pause.hand_over(self.db, talk, now + hand_over)
        return self._put_all(letters, uuid, talk, receivers.asker(self.db, row, talk), id_, now)

    def _refusal(self, row: int, talk: str | None, count: int) -> str | None:
        """Return why so many letters of an answer can't be put into the outbox."""
        if talk is None:
            return NO_TALK
        if receivers.asker(self.db, row, talk) is None:
            return NOBODY
        return OUTBOX_FULL if self.unsent() + count > MOST_QUEUED else None

    def again(self, row: int, now: int) -> bool:
        """Note that a call failed; return whether another may follow: not when the owner took over meanwhile."""
        found = self.db.execute("SELECT conversation, kind FROM messages WHERE row = ?", (row,)).fetchone()
        if found is None or not handler_pause.is_paused(self.db, found[0], found[1], now):
            self._move(row, "calling", "waiting")
            return bool(self._rows("row = ? AND state = 'waiting'", row))
        if self._move(row, "calling", "kept"):
            self._explain(row, TAKEN_OVER)
        return False

    def take_back(self, row: int, attempt: int) -> None:
        """Note that a call which was to begin, of this number, was not made: it does not count."""
        self.db.execute(
            "UPDATE messages SET state = 'waiting', attempt = attempt - 1"
            " WHERE row = ? AND state = 'calling' AND attempt = ?",
            (row, attempt),
        )

    def give_up(self, row: int, state: Literal["failed", "parked"], reason: str) -> None:
        """Make a message a dead letter."""
        if self._move(row, "calling", state) or self._move(row, "waiting", state):
            self._explain(row, reason)

    def redo(self, ids: Sequence[str]) -> int:
        """
        Let dead letters wait for the handler again; none named: all.

        Their reason is `ASKED` and their attempts go on counting. Return how many they are.
        """
        change = f"UPDATE messages SET state = 'waiting', reason = ? WHERE {OPEN} AND state IN ('failed', 'parked')"
        if not ids:
            return self.db.execute(change, (ASKED,)).rowcount
        return sum(self.db.execute(f"{change} AND id = ?", (ASKED, id_)).rowcount for id_ in ids)

    def _move(self, row: int, old: str, new: str, also: str = "") -> bool:
        """Move a message from one state to another; return whether it was in the first."""
        change = f"UPDATE messages SET state = ?{', ' if also else ''}{also} WHERE row = ? AND state = ?"
        return self.db.execute(change, (new, row, old)).rowcount == 1

    def _explain(self, row: int, reason: str) -> None:
        self.db.execute("UPDATE messages SET reason = ? WHERE row = ?", (reason, row))

    def _rows(self, where: str, *values: object) -> list[Row]:
        query = f"SELECT {COLUMNS} FROM messages WHERE {where}"
        return [row_of(self._account, found) for found in self.db.execute(query, values)]
