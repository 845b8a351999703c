"""An account's store: messages, where each stands, and the outbox, in one SQLite file. Shell (SQLite).

Used in one thread. Each method is an operation (`xyfleet.worker.storage.operations`), or a part of one: the transaction
around it is the writer's, who may roll it back and run it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.message import TALK
from xyfleet.worker.storage import admission, handler_pause, retention, sanitize, sqlite
from xyfleet.worker.storage.call_store import CallStore
from xyfleet.worker.storage.results import Added, Counts, HandlerRules
from xyfleet.worker.storage.schema import (
    LOST,
    OPEN_STATES,
    Row,
)

TYPED: Final = frozenset({"text", "image", "card"})
"""Kinds that a person writes: such an own message that xyfleet did not send is a takeover."""
SAID_AGAIN: Final = 600_000
"""Milliseconds behind the loss of a store for which a message that says no time is taken for one that it had."""
_INSERT: Final = (
    "INSERT INTO messages (id, stamp, time, conversation, item, sender, sender_name, kind, text, own, recovered,"
    " state, reason, raw, platform, peer, content_type, trade_order, order_status, role, buyer, traded)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
)


class MessageStore(CallStore):
    """
    The open store of an account.

    Args:
        path: Its file, made when it is not there.
        account: Its name, which is part of every message.
        after: Row and outbox number that a new file begins behind (`sqlite.open_inbox`).
        lost: Up to which time (ms) one that was lost, whose place a new file or an older copy takes, may have taken
            messages in; None: there was none.
        wall: This machine's own clock, in ms; None: the time that each operation is given is the only one.

    Raises:
        Unusable, OSError, sqlite3.Error: as `sqlite.open_inbox`.
    """

    def __init__(
        self,
        path: str,
        account: str,
        *,
        after: tuple[int, int] = (0, 0),
        lost: int | None = None,
        wall: Callable[[], int] | None = None,
    ) -> None:
        db, self.lacks_rows = sqlite.open_inbox(path, after=after)
        super().__init__(db, account)
        self._path = path
        self._wall = wall
        self._identity = sqlite.identity(path)
        self._companions = sqlite.companions(path)
        if self.lacks_rows and lost is not None:
            self.set_meta("lost", lost)

    def add(self, found: Sequence[IncomingItem], *, recovered: bool, now: int, rules: HandlerRules) -> Added:
        """
        Store what is not there yet.

        A new message waits for the handler when there is one, and its kind, its age and its conversation allow it;
        else it is kept. Of what catching up found, what is as old as messages that retention deleted is left out.
        A card that changes one which is there is a message of its own, once; a notice about a message is of its
        conversation. An own message settles the letter that it is the echo of; if it is of none, its owner typed it:
        the handler leaves the talk of that conversation alone for a while, and what waits of it is kept. What the
        store whose place this one took may have had, may have been answered: it is parked, whether it is pushed once
        more or found, and an own message in it means nothing.

        Args:
            recovered: Whether catching up found it.
            now: Milliseconds; the time of messages that have none.
        """
        last = self.last_row()
        floor = (self.meta("floor") or 0) if recovered else 0
        lost = self.meta("lost")
        uncalled: list[Row] = []
        for each in (admission.placed(self.db, sanitize.texts(one)) for one in found):
            time = sanitize.time(each.time, now)
            each = self._owned(each, time) if recovered else each
            known = self._rows("id = ?", each.id)
            uncalled += [row for row in known if row.row <= last and _is_uncalled(row)]
            if time <= floor or known:
                continue
            self._insert(each, time, recovered, now, rules)
            if lost is not None and (time <= lost or (time != each.time and now <= lost + SAID_AGAIN)):
                self._park(each.id)
            elif each.own:
                self._heard_own(each, time, now, rules)
        return Added(self._rows("row > ? ORDER BY row", last), uncalled)

    def bury(self, each: IncomingItem, reason: str, *, recovered: bool, now: int) -> list[Row]:
        """Keep what can't be stored as it came as a dead letter: its payload, under its id and in its conversation."""
        if self.known([each.id]):
            return []
        bare = IncomingItem(id=each.id, conversation=each.conversation, kind="unknown", own=each.own, raw=each.raw)
        self._insert(sanitize.texts(bare), now, recovered, now, HandlerRules(handler=False, max_age=0, takeover=0))
        self.db.execute("UPDATE messages SET state = 'failed', reason = ? WHERE id = ?", (reason, each.id))
        return self._rows("id = ?", each.id)

    def find(self, id_: str) -> Row | None:
        """Return a message by its id."""
        return next(iter(self._rows("id = ?", id_)), None)

    def last_row(self) -> int:
        """Return the highest row number that there ever was, 0 = none."""
        row = self.db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        return 0 if row is None else int(row[0])

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

    def span(self, now: int) -> tuple[int, int]:
        """
        Return the earlier and the later of this time and our own clock's.

        Times are the server's, and either clock may be years off for an hour: what can't be undone goes by both.
        """
        wall = now if self._wall is None else self._wall()
        return min(now, wall), max(now, wall)

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
        """Return the time for the next row: later than every row's before, also when the clock goes back."""
        (newest,) = self.db.execute("SELECT max(stamp) FROM messages").fetchone()
        _, late = self.span(now)
        return late if newest is None else max(late, newest + 1)

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


def _is_uncalled(row: Row) -> bool:
    return row.state == "waiting" and row.message.attempt == 0
