"""Retention, in steps so small that nobody waits for one. Shell (SQLite)."""

from __future__ import annotations

import sqlite3
from typing import Final

from xyfleet.worker.storage import sqlite

PAGES: Final = 128
"""Pages given back to the file system in one step."""
AHEAD: Final = 86_400_000
"""Milliseconds that a row may have been stored in the future."""
CHUNK: Final = 5
"""Messages that go before the size is looked at again."""


def step(db: sqlite3.Connection, now: int, before: int, most_bytes: int, most_rows: int) -> bool:
    """
    Delete some of the messages that were stored first, and give free pages back.

    What is with the handler stays; what waits for it, and letters not yet sent, stay too, dead letters until they are
    old. But when all else is gone and it is still too much, dead letters go, and then what waits.

    Args:
        now: Milliseconds.
        before: Milliseconds; what was stored earlier goes.
        most_bytes: While the pages in use are more, messages go whatever their age.
        most_rows: Of messages, and of letters, in one step.

    Returns:
        Whether there is more to do.
    """
    _mend_stamps(db, now)
    old = _delete(db, "stamp < ? AND state NOT IN ('waiting', 'calling')", before, most_rows)
    letters = _delete_letters(db, before, most_rows)
    big = 0
    while old + big < most_rows and sqlite.size(db) > most_bytes:
        deleted = _delete_least_wanted(db, before, min(CHUNK, most_rows - old - big))
        big += deleted
        if not deleted:
            break
    db.execute("DELETE FROM pauses WHERE max(until, handed) < ?", (before,))
    return _give_pages_back(db) or old + big >= most_rows or letters >= most_rows


def _delete_least_wanted(db: sqlite3.Connection, before: int, limit: int) -> int:
    """Delete some messages whatever their age, of the kind that is wanted least; return how many."""
    for states in ("'kept', 'done'", "'failed', 'parked'", "'waiting'"):
        if deleted := _delete(db, f"stamp >= ? AND state IN ({states})", before, limit):
            return deleted
    return 0


def _mend_stamps(db: sqlite3.Connection, now: int) -> None:
    """Take back what a clock did that once was far ahead: rows of the future would never be old."""
    db.execute("UPDATE messages SET stamp = ? WHERE stamp > ?", (now, now + AHEAD))


def _give_pages_back(db: sqlite3.Connection) -> bool:
    """Shorten the file by some of its free pages; return whether there are more."""
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    for _ in range(min(free, PAGES)):
        # One by one: of a statement without columns, Python takes the first step only, and each step is a page.
        db.execute("PRAGMA incremental_vacuum(1)")
    return bool(free > PAGES)


def _delete(db: sqlite3.Connection, which: str, value: int, limit: int) -> int:
    """Delete messages, the first stored first; return how many."""
    found = db.execute(
        f"SELECT row, min(time, stamp) FROM messages WHERE {which} ORDER BY stamp LIMIT ?", (value, limit)
    ).fetchall()
    if found:
        db.executemany("DELETE FROM messages WHERE row = ?", [(row,) for row, _ in found])
        # Not a time in the future that somebody wrote into a message: nothing would be taken in any more.
        _raise_floor(db, max(time for _, time in found))
    return len(found)


def _raise_floor(db: sqlite3.Connection, time: int) -> None:
    db.execute(
        "INSERT INTO meta (key, value) VALUES ('floor', ?)"
        " ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)",
        (time,),
    )


def _delete_letters(db: sqlite3.Connection, before: int, limit: int) -> int:
    change = (
        "DELETE FROM outbox WHERE number IN (SELECT number FROM outbox"
        " WHERE coalesce(settled, created) < ? AND state NOT IN ('queued', 'sending') ORDER BY number LIMIT ?)"
    )
    return db.execute(change, (before, limit)).rowcount
