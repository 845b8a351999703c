"""What becomes of a new message: under which id and in which conversation, and for the handler or not. Shell (SQLite).

Each function is a part of an operation (`xyfleet.worker.storage.operations`).
"""

from __future__ import annotations

import sqlite3

import msgspec

from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.message import ANSWERABLE, TALK
from xyfleet.worker.storage import handler_pause, sanitize
from xyfleet.worker.storage.operations import HandlerRules
from xyfleet.worker.storage.schema import GROUP, OF_THIS_FLEET


def placed(db: sqlite3.Connection, each: IncomingItem) -> IncomingItem:
    """Return a message with the id and the conversation that it has among those that are there."""
    if each.update_id is not None:
        row = db.execute("SELECT raw FROM messages WHERE id = ?", (each.id,)).fetchone()
        if row is not None and row[0] != sanitize.payload(each.raw):
            return msgspec.structs.replace(each, id=each.update_id)
    if each.about is not None and each.conversation is None:
        row = db.execute("SELECT conversation FROM messages WHERE id = ?", (each.about,)).fetchone()
        return each if row is None else msgspec.structs.replace(each, conversation=row[0])
    return each


def lot(db: sqlite3.Connection, each: IncomingItem, time: int, now: int, rules: HandlerRules) -> tuple[str, str | None]:
    """Return whether a new message waits for the handler or is kept, and why where that does not go without saying."""
    fresh = not rules.max_age or now - time <= rules.max_age
    if not rules.handler or each.own or each.kind not in ANSWERABLE or not fresh:
        return "kept", None
    if each.group and not rules.groups:
        return "kept", GROUP
    if each.kind in TALK and each.sender in rules.fleet:
        return "kept", OF_THIS_FLEET
    return "kept" if handler_pause.is_paused(db, each.conversation, each.kind, now) else "waiting", None
