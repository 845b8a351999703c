"""The owner answers by himself, or is asked to: the handler leaves a conversation's talk alone. Shell (SQLite).

Talk is what people say: orders and cards go to the handler all the same, for what is paid is delivered.

Each function is a step of a job (`xyfleet.worker.storage.inbox`).
"""

from __future__ import annotations

import sqlite3
from typing import Final

from xyfleet.worker.protocol.message import TALK
from xyfleet.worker.storage.schema import HANDED_OVER, OPEN, TAKEN_OVER, TAKES_OVER

# SQLite uses a partial index only where its very condition is in the query.
_UNSENT: Final = "state IN ('queued', 'sending', 'unknown')"
_TALK: Final = f"kind IN ({', '.join(repr(kind) for kind in sorted(TALK))})"


def take_over(db: sqlite3.Connection, id_: str, conversation: str, until: int) -> None:
    """The owner answered by himself (message `id_`): the handler leaves the talk alone until then (ms)."""
    db.execute(
        "INSERT INTO pauses (conversation, until) VALUES (?, ?)"
        " ON CONFLICT (conversation) DO UPDATE SET until = max(until, excluded.until)",
        (conversation, until),
    )
    db.execute("UPDATE messages SET reason = ? WHERE id = ?", (TAKES_OVER, id_))
    db.execute(
        "UPDATE outbox SET state = 'failed', reason = ?, settled = (SELECT stamp FROM messages WHERE id = ?)"
        f" WHERE {_UNSENT} AND state = 'queued' AND conversation = ? AND reply_to IS NOT NULL"
        f" AND EXISTS (SELECT 1 FROM messages WHERE id = outbox.reply_to AND {_TALK})",
        (TAKEN_OVER, id_, conversation),
    )
    db.execute(
        f"UPDATE messages SET state = 'kept', reason = ? WHERE {OPEN} AND state = 'waiting' AND conversation = ?"
        f" AND {_TALK}",
        (TAKEN_OVER, conversation),
    )


def drop_late(db: sqlite3.Connection, number: int) -> None:
    """Drop a reply to talk that was on its way when the owner took over, and is known not to have arrived."""
    db.execute(
        "UPDATE outbox SET state = 'failed', reason = ?, settled ="
        " (SELECT max(stamp) FROM messages WHERE conversation = outbox.conversation AND reason = ?)"
        " WHERE number = ? AND state = 'sending' AND reply_to IS NOT NULL"
        f" AND EXISTS (SELECT 1 FROM messages WHERE id = outbox.reply_to AND {_TALK})"
        # In a pause that was on when it was made, it would not have been made.
        " AND EXISTS (SELECT 1 FROM pauses WHERE conversation = outbox.conversation AND until > outbox.created)",
        (TAKEN_OVER, TAKES_OVER, number),
    )


def hand_over(db: sqlite3.Connection, conversation: str, until: int) -> None:
    """The handler gave the conversation to a person: it leaves the talk alone until then (ms)."""
    db.execute(
        "INSERT INTO pauses (conversation, until, handed) VALUES (?, 0, ?)"
        " ON CONFLICT (conversation) DO UPDATE SET handed = max(handed, excluded.handed)",
        (conversation, until),
    )
    db.execute(
        f"UPDATE messages SET state = 'kept', reason = ? WHERE {OPEN} AND state = 'waiting' AND conversation = ?"
        f" AND {_TALK}",
        (HANDED_OVER, conversation),
    )


def is_paused(db: sqlite3.Connection, conversation: str | None, kind: str, now: int) -> bool:
    """Whether the handler is to leave what is said so in a conversation alone at `now` (ms)."""
    if conversation is None or kind not in TALK:
        return False
    query = "SELECT 1 FROM pauses WHERE conversation = ? AND max(until, handed) > ?"
    return db.execute(query, (conversation, now)).fetchone() is not None


def undo_takeover(db: sqlite3.Connection, message_id: str) -> bool:
    """
    An echo came before its answer, and looked like the owner's: so the owner has not taken over.

    Return whether anything waits again: the messages and replies that this takeover kept. Earlier ones kept others.
    """
    found = db.execute(
        "SELECT row, conversation, stamp, time FROM messages WHERE id = ? AND own = 1 AND reason = ?",
        (message_id, TAKES_OVER),
    ).fetchone()
    if found is None:
        return False
    row, talk, stamp, time = found
    db.execute("UPDATE messages SET reason = NULL WHERE row = ?", (row,))
    query = "SELECT max(row), max(time) FROM messages WHERE conversation = ? AND reason = ? AND row < ?"
    before, last = db.execute(query, (talk, TAKES_OVER, row)).fetchone()
    # What the owner typed earlier keeps its own pause, which is as long as this one.
    shorter = "until = CASE WHEN ? IS NULL THEN 0 ELSE max(0, until - max(0, ? - ?)) END"
    db.execute(f"UPDATE pauses SET {shorter} WHERE conversation = ?", (last, time, last, talk))
    change = db.execute(
        "UPDATE messages SET state = 'waiting', reason = NULL"
        " WHERE conversation = ? AND state = 'kept' AND reason = ? AND row > ? AND row < ?",
        (talk, TAKEN_OVER, before or 0, row),
    )
    letters = db.execute(
        "UPDATE outbox SET state = 'queued', reason = NULL, settled = NULL"
        " WHERE conversation = ? AND state = 'failed' AND reason = ? AND settled = ?",
        (talk, TAKEN_OVER, stamp),
    )
    return change.rowcount + letters.rowcount > 0
