"""Which paid orders a handler has heard of, and what becomes of those that came late. Shell (SQLite).

Each function is a part of an operation (`xyfleet.worker.storage.operations`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.listed_orders import PREFIX
from xyfleet.worker.storage.results import HandlerRules, LateOrders, NewOrder
from xyfleet.worker.storage.schema import LATE_ORDER, LISTED, NOT_WAITING, NOTICED, STRANGE_ORDER

_HEARD: Final = "trade_order = ? AND order_status = 'paid' AND state <> 'kept'"
"""Waiting, being called, done or a dead letter: a handler or a person has it."""
_AT_ONCE: Final = 500
"""Buyers looked for at one time; SQLite takes a thousand values."""


def is_trade(each: IncomingItem) -> bool:
    """Whether a message tells of an order: it is never too old."""
    return each.order is not None or each.order_status is not None


def withheld(db: sqlite3.Connection, each: IncomingItem, time: int, now: int, rules: HandlerRules) -> str | None:
    """Return why the handler does not hear of a paid order by this message, None = it does."""
    if each.order_status != "paid" or each.role == "buyer":
        return None
    if each.id.startswith(PREFIX):
        return NOTICED if _heard(db, each.order) else None
    if each.order is not None and _heard(db, each.order, " AND id = ?", f"{PREFIX}{each.order}"):
        return LISTED
    return LATE_ORDER if rules.orders and rules.max_age and now - time > rules.max_age else None


def _heard(db: sqlite3.Connection, order: str | None, more: str = "", *values: str) -> bool:
    found = db.execute(f"SELECT 1 FROM messages WHERE {_HEARD}{more} LIMIT 1", (order, *values))
    return found.fetchone() is not None


def new_orders(db: sqlite3.Connection, orders: Sequence[tuple[str, str | None, str | None]]) -> list[NewOrder]:
    """Return which orders (ids, buyers, items) no handler has heard of, and in which conversation each is."""
    known = "SELECT 1 FROM messages WHERE id = ?"
    news = [
        each
        for each in orders
        if not _heard(db, each[0]) and db.execute(known, (f"{PREFIX}{each[0]}",)).fetchone() is None
    ]
    talks = _talks(db, sorted({buyer for _, buyer, _ in news if buyer is not None}))
    named = [_named(db, order) for order, _, _ in news]
    return [
        NewOrder(order, talk or _talk(talks, buyer, item), noticed=talk is not None)
        for (order, buyer, item), talk in zip(news, named, strict=True)
    ]


def _named(db: sqlite3.Connection, order: str) -> str | None:
    """Return the conversation that a message about the order is in."""
    query = "SELECT conversation FROM messages WHERE trade_order = ? AND conversation IS NOT NULL LIMIT 1"
    row = db.execute(query, (order,)).fetchone()
    return None if row is None else str(row[0])


def _talks(db: sqlite3.Connection, buyers: Sequence[str]) -> dict[tuple[str, str | None], str]:
    """Return the latest conversation with each buyer about each item, and about anything (None)."""
    talks: dict[tuple[str, str | None], str] = {}
    for start in range(0, len(buyers), _AT_ONCE):
        some = buyers[start : start + _AT_ONCE]
        query = (
            "SELECT coalesce(peer, sender), item, conversation, max(time) FROM messages"
            f" WHERE coalesce(peer, sender) IN ({', '.join('?' * len(some))})"
            " AND own = 0 AND conversation IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 4"
        )
        for buyer, item, talk, _ in db.execute(query, tuple(some)):
            talks[buyer, item] = talks[buyer, None] = talk
    return talks


def _talk(talks: dict[tuple[str, str | None], str], buyer: str | None, item: str | None) -> str | None:
    if buyer is None:
        return None
    return talks.get((buyer, item)) or talks.get((buyer, None))


def settle_late(
    db: sqlite3.Connection, listed: Sequence[str], last: int, failed: str | None, strange: Sequence[str] = ()
) -> LateOrders:
    """Say of each paid order that came late what the list says of it; where that is nothing it is a dead letter."""
    query = "SELECT row, trade_order FROM messages WHERE state = 'kept' AND reason = ? AND row <= ?"
    rows = db.execute(query, (LATE_ORDER, last)).fetchall()
    unknown = set(strange)
    dead = [(failed or STRANGE_ORDER, row) for row, order in rows if failed is not None or order in unknown]
    db.executemany("UPDATE messages SET state = 'failed', reason = ? WHERE row = ?", dead)
    waiting, gone = set(listed), {row for _, row in dead}
    said = [(LISTED if order in waiting else NOT_WAITING, row) for row, order in rows if row not in gone]
    db.executemany("UPDATE messages SET reason = ? WHERE row = ?", said)
    count = sum(reason == LISTED for reason, _ in said)
    return LateOrders(listed=count, over=len(said) - count, dead=len(dead))
