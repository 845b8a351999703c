"""An account's store: messages, where each stands, and the outbox, in one SQLite file. Shell (SQLite).

Used in one thread. Each method is an operation (`xyfleet.worker.storage.operations`), or a part of one: the transaction
around it is the writer's, who may roll it back and run it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.message import TALK
from xyfleet.worker.storage import admission, handler_pause, retention, sanitize, sqlite
from xyfleet.worker.storage.outbox_store import OutboxStore
from xyfleet.worker.storage.results import MOST_QUEUED, OUTBOX_FULL, Added, Counts, HandlerRules, ReplyBound
from xyfleet.worker.storage.schema import (
    ASKED,
    COLUMNS,
    LOST,
    OPEN,
    OPEN_STATES,
    TAKEN_OVER,
    Row,
    row_of,
)

TYPED: Final = frozenset({"text", "image", "card"})
"""Kinds that a person writes: such an own message that xyfleet did not send is a takeover."""
_INSERT: Final = (
    "INSERT INTO messages (id, stamp, time, conversation, item, sender, sender_name, kind, text, own, recovered,"
    " state, reason, raw, platform, peer, content_type, trade_order, order_status, role, buyer, traded)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
)
NO_TALK: Final = "no conversation to reply in"
NOBODY: Final = "it is not known who is to receive the reply"
"""The reasons of dead letters that the handler has answered."""


class MessageStore(OutboxStore):
    """
    The open store of an account.

    Args:
        path: Its file, made when it is not there.
        account: Its name, which is part of every message.
        after: Row and outbox number that a new file begins behind (`sqlite.open_inbox`).
        lost: When (ms) a new file, or an older copy, takes the place of one that was lost; None: there was none.

    Raises:
        Unusable, OSError, sqlite3.Error: as `sqlite.open_inbox`.
    """

    def __init__(self, path: str, account: str, *, after: tuple[int, int] = (0, 0), lost: int | None = None) -> None:
        db, self.lacks_rows = sqlite.open_inbox(path, after=after)
        super().__init__(db)
        self._path = path
        self._account = account
        self._identity = sqlite.identity(path)
        self._companions = sqlite.companions(path)
        if self.lacks_rows and lost is not None:
            self.set_meta("lost", lost)

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

    def add(self, found: Sequence[IncomingItem], *, recovered: bool, now: int, rules: HandlerRules) -> Added:
        """
        Store what is not there yet.

        A new message waits for the handler when there is one, and its kind, its age and its conversation allow it;
        else it is kept. Of what catching up found, what is as old as messages that retention deleted is left out.
        A card that changes one which is there is a message of its own, once; a notice about a message is of its
        conversation. An own message settles the letter that it is the echo of; if it is of none, its owner typed it:
        the handler leaves the talk of that conversation alone for a while, and what waits of it is kept. What
        catching up brings into a store that took the place of a lost one may have been answered: it is parked, and an
        own message in it means nothing.

        Args:
            recovered: Whether catching up found it.
            now: Milliseconds; the time of messages that have none.
        """
        last = self.last_row()
        floor = (self.meta("floor") or 0) if recovered else 0
        lost = (self.meta("lost") or 0) if recovered else 0
        uncalled: list[Row] = []
        for each in (admission.placed(self.db, sanitize.texts(one)) for one in found):
            time = sanitize.time(each.time, now)
            each = self._owned(each, time) if recovered else each
            known = self._rows("id = ?", each.id)
            uncalled += [row for row in known if row.row <= last and _is_uncalled(row)]
            if time <= floor or known:
                continue
            self._insert(each, time, recovered, now, rules)
            if time <= lost:
                self._park(each.id)
            elif each.own:
                self._heard_own(each, time, now, rules)
        return Added(self._rows("row > ? ORDER BY row", last), uncalled)

    def row(self, row: int) -> Row | None:
        """Return a message as it stands."""
        return next(iter(self._rows("row = ?", row)), None)

    def last_row(self) -> int:
        """Return the highest row number that there ever was, 0 = none."""
        row = self.db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        return 0 if row is None else int(row[0])

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

    def finish(self, row: int, reply: str | None, uuid: str, now: int, image: str | None = None) -> int | None:
        """
        Note that a call ended well, and put its reply into the outbox, unless the owner took over meanwhile.

        Returns:
            The reply's number in the outbox; None when there is none.
        """
        held = self._letter("uuid = ?", uuid)
        if held is not None:
            return held.number
        if not self._move(row, "calling", "done", "reason = NULL") or not (reply or image):
            return None
        id_, talk, kind = self.db.execute(
            "SELECT id, conversation, kind FROM messages WHERE row = ?", (row,)
        ).fetchone()
        if handler_pause.is_paused(self.db, talk, kind, now):
            self._explain(row, TAKEN_OVER)
            return None
        receiver = self.asker(row, talk)
        if talk is None or receiver is None or self.unsent() >= MOST_QUEUED:
            self._move(row, "done", "failed")
            self._explain(row, NO_TALK if talk is None else NOBODY if receiver is None else OUTBOX_FULL)
            return None
        numbers = []
        if reply:
            numbers.append(self._put(uuid, talk, receiver, reply, id_, now, automatic=True))
        if image:
            second = f"{uuid}i" if reply else uuid
            numbers.append(self._put(second, talk, receiver, "", id_, now, automatic=True, image=image))
        return numbers[0]

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

    def meta(self, key: str) -> int | None:
        """Return a number kept under a name (`xyfleet.worker.storage.schema`)."""
        row = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else int(row[0])

    def metas(self) -> dict[str, int]:
        """Return all numbers that are kept under names."""
        return dict(self.db.execute("SELECT key, value FROM meta").fetchall())

    def set_meta(self, key: str, value: int) -> None:
        """Keep a number under a name."""
        self.db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def drop_metas(self, keys: Sequence[str]) -> None:
        """Keep nothing any more under these names."""
        self.db.executemany("DELETE FROM meta WHERE key = ?", [(key,) for key in keys])

    def known(self, ids: Sequence[str]) -> set[str]:
        """Return which of these messages are in the store."""
        query = "SELECT 1 FROM messages WHERE id = ?"
        return {id_ for id_ in ids if self.db.execute(query, (id_,)).fetchone() is not None}

    def figures(self) -> Counts:
        """Return how the store stands; costs little, however many messages there are."""
        states = dict(
            self.db.execute("SELECT state, number FROM tallies WHERE state IN (?, ?, ?, ?)", OPEN_STATES).fetchall()
        )
        return Counts(
            stored=self.last_row(),
            waiting=states.get("waiting", 0) + states.get("calling", 0),
            dead=states.get("failed", 0) + states.get("parked", 0),
            unsent=self.unsent(),
            bytes=sqlite.size(self.db),
            log=sqlite.log_size(self._path),
        )

    def trim(self, *, now: int, before: int, most_bytes: int, most_rows: int) -> bool:
        """Take one small step of retention (`retention.step`); return whether there is more to do."""
        room = max(most_bytes - sqlite.log_size(self._path), most_bytes // 2)
        return retention.step(self.db, now, before, room, most_rows)

    def oldest(self) -> int | None:
        """Return when the oldest message was stored, in milliseconds."""
        stamp: int | None = self.db.execute("SELECT min(stamp) FROM messages").fetchone()[0]
        return stamp

    def is_there(self) -> bool:
        """Tell whether the file at the path is still the one that is open."""
        return self._identity == sqlite.identity(self._path)

    def is_whole(self) -> bool:
        """Tell whether the log that is written is still the one that whoever opens the file next will find."""
        return self._companions == sqlite.companions(self._path)

    def save_log(self) -> None:
        """Bring all that is in the log into the file (`sqlite.save_log`)."""
        sqlite.save_log(self.db)

    def close(self) -> None:
        """Close the file; what is not committed is undone."""
        self.db.close()

    def _insert(self, each: IncomingItem, time: int, recovered: bool, now: int, rules: HandlerRules) -> None:
        nobodys = recovered and each.sender is None and each.kind in TALK  # our own one perhaps: who knows
        state, reason = ("kept", None) if nobodys else admission.lot(self.db, each, time, now, rules)
        self.db.execute(
            _INSERT,
            (
                *(each.id, self._stamp(now), time, each.conversation, each.item, each.sender, each.sender_name),
                *(each.kind, each.text, each.own, recovered, state, reason, sanitize.payload(each.raw)),
                *(each.platform, each.peer, each.content_type, each.order, each.order_status, each.role, each.buyer),
            ),
        )

    def _park(self, id_: str) -> None:
        """Leave to a person what may have been answered before."""
        change = "UPDATE messages SET reason = ?, state = CASE state WHEN 'waiting' THEN 'parked' ELSE state END"
        self.db.execute(f"{change} WHERE id = ?", (LOST, id_))

    def _stamp(self, now: int) -> int:
        """Return the time for the next row: ours, but later than every row's before, also when the clock goes back."""
        (newest,) = self.db.execute("SELECT max(stamp) FROM messages").fetchone()
        return now if newest is None else max(now, newest + 1)

    def _owned(self, each: IncomingItem, time: int) -> IncomingItem:
        """Return a listed message as our own if the outbox knows it: a listing need not say who wrote it."""
        if each.own or self._letter("message_id = ? LIMIT 1", each.id) is None:
            return each
        return msgspec.structs.replace(each, own=True)

    def _heard_own(self, each: IncomingItem, time: int, now: int, rules: HandlerRules) -> None:
        """Find out who sent a new own message."""
        ours = self._prove_sent(each.id, each.conversation, each.text, time)
        until = min(time, now) + rules.takeover
        typed = each.kind in TYPED and not each.platform
        if not ours and typed and rules.takeover and until > now and each.conversation:
            handler_pause.take_over(self.db, each.id, each.conversation, until)

    def _move(self, row: int, old: str, new: str, also: str = "") -> bool:
        """Move a message from one state to another; return whether it was in the first."""
        change = f"UPDATE messages SET state = ?{', ' if also else ''}{also} WHERE row = ? AND state = ?"
        return self.db.execute(change, (new, row, old)).rowcount == 1

    def _explain(self, row: int, reason: str) -> None:
        self.db.execute("UPDATE messages SET reason = ? WHERE row = ?", (reason, row))

    def _rows(self, where: str, *values: object) -> list[Row]:
        query = f"SELECT {COLUMNS} FROM messages WHERE {where}"
        return [row_of(self._account, found) for found in self.db.execute(query, values)]


def _is_uncalled(row: Row) -> bool:
    return row.state == "waiting" and row.message.attempt == 0
