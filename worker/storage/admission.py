"""What becomes of a new message: under which id and in which conversation, and for the handler or not. Shell (SQLite).

Each function is a part of an operation (`xyfleet.worker.storage.operations`).
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import msgspec

from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.message import ANSWERABLE, TALK, Message
from xyfleet.worker.storage import handler_pause, order_book, sanitize
from xyfleet.worker.storage.results import HandlerRules
from xyfleet.worker.storage.schema import COLUMNS, GROUP, OF_THIS_FLEET, row_of


def placed(db: sqlite3.Connection, each: IncomingItem) -> IncomingItem:
    """Return a message with the id, the conversation and the order that it has among those that are there."""
    known = None if each.update_id is None and each.about is None else _known(db, each.about or each.id)
    if known is None:
        return _with_buyer(db, each)
    is_another = each.update_id is not None and known.raw != sanitize.payload(each.raw)
    placed = msgspec.structs.replace(
        each,
        id=each.update_id if is_another and each.update_id is not None else each.id,
        conversation=each.conversation or known.message.conversation,
        order=each.order or known.message.order,
        role=each.role or known.message.role,
        buyer=each.buyer or known.message.buyer,
    )
    return _with_buyer(db, placed)


class _Known(NamedTuple):
    """A message that is there, and its payload as it is stored."""

    message: Message
    raw: bytes


def _known(db: sqlite3.Connection, id_: str) -> _Known | None:
    row = db.execute(f"SELECT {COLUMNS} FROM messages WHERE id = ?", (id_,)).fetchone()
    return None if row is None else _Known(row_of("", row).message, row[-1])


def _with_buyer(db: sqlite3.Connection, each: IncomingItem) -> IncomingItem:
    """Return what is about an order with its buyer: whom an earlier one named, or the last person who wrote there."""
    is_trade = (each.order or each.order_status or each.role) is not None
    if not is_trade or each.buyer is not None or each.conversation is None:
        return each
    queries = (
        "SELECT buyer FROM messages WHERE conversation = ? AND buyer IS NOT NULL AND coalesce(role, '') <> 'buyer'",
        "SELECT sender FROM messages WHERE conversation = ? AND platform = 0 AND own = 0 AND sender IS NOT NULL"
        " AND kind IN ('text', 'image', 'card')",
    )
    for query in queries:
        row = db.execute(f"{query} ORDER BY time DESC, row DESC LIMIT 1", (each.conversation,)).fetchone()
        if row is not None:
            return msgspec.structs.replace(each, buyer=row[0])
    return each


def lot(db: sqlite3.Connection, each: IncomingItem, time: int, now: int, rules: HandlerRules) -> tuple[str, str | None]:
    """Return whether a new message waits for the handler or is kept, and why where that does not go without saying."""
    fresh = not rules.max_age or now - time <= rules.max_age or order_book.is_trade(each)
    if not rules.handler or each.own or each.kind not in ANSWERABLE or not fresh:
        return "kept", None
    if each.kind == "order" and not each.text:
        return "kept", None  # the names and ids around an order, without a word about it
    if each.group and not rules.groups:
        return "kept", GROUP
    if each.kind in TALK and each.sender in rules.fleet:
        return "kept", OF_THIS_FLEET
    if (why := order_book.withheld(db, each, time, now, rules)) is not None:
        return "kept", why
    return "kept" if handler_pause.is_paused(db, each.conversation, each.kind, now) else "waiting", None
