"""Whom an answer goes to, by what was said in its conversation. Shell (SQLite).

Each function is a part of an operation (`xyfleet.worker.storage.operations`).
"""

from __future__ import annotations

import sqlite3

from xyfleet.worker.protocol.listed_orders import PREFIX


def asker(db: sqlite3.Connection, row: int, talk: str | None) -> str | None:
    """Return who a reply to a message is for: the person who wrote it, or else who is at the other end."""
    id_, sender, peer, platform = db.execute(
        "SELECT id, sender, peer, platform FROM messages WHERE row = ?", (row,)
    ).fetchone()
    if id_.startswith(PREFIX):
        return None if peer is None else str(peer)  # the list of orders names the buyer
    if sender is not None and not platform:
        return str(sender)
    known = "SELECT 1 FROM messages WHERE conversation = ? AND sender = ? AND platform = 0 LIMIT 1"
    if peer is not None and db.execute(known, (talk, peer)).fetchone() is not None:
        return str(peer)
    return None if talk is None else writer(db, talk)


def writer(db: sqlite3.Connection, conversation: str) -> str | None:
    """
    Return who is at the other end of a conversation: the last person who wrote in it.

    Where none did, whom the platform named as being there, or at last in whose name it wrote.
    """
    person = "sender", "platform = 0 AND kind IN ('text', 'image', 'card')"
    for who, where in (person, ("peer", "1"), ("sender", "1")):
        row = db.execute(
            f"SELECT {who} FROM messages WHERE conversation = ? AND own = 0 AND {who} IS NOT NULL AND {where}"
            " ORDER BY time DESC, row DESC LIMIT 1",
            (conversation,),
        ).fetchone()
        if row is not None:
            return str(row[0])
    return None
