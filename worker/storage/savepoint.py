"""A part of a transaction that can fail alone. Shell (SQLite)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from xyfleet.worker.storage import sqlite

T = TypeVar("T")


class Failed(NamedTuple):
    """The part was undone, and nothing else."""

    error: Exception
    """The program's own; never the disk's."""


class Undone(Exception):
    """SQLite undid the whole transaction in the middle of a part."""


def attempt(db: sqlite3.Connection, work: Callable[[], T]) -> T | Failed:
    """
    Do a part of a transaction; when it fails by its own fault, undo it alone.

    Raises:
        sqlite3.Error: the disk's trouble.
        Undone: the transaction is gone.
    """
    db.execute("SAVEPOINT part")
    done: T | Failed
    try:
        done = work()
    except Exception as error:
        if isinstance(error, sqlite3.Error) and sqlite.is_trouble(error):
            raise
        if not db.in_transaction:
            raise Undone(f"{type(error).__name__}: {error}") from error
        db.execute("ROLLBACK TO part")
        done = Failed(error)
    db.execute("RELEASE part")
    return done
