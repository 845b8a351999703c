"""An inbox's tables in its SQLite file: made, checked, brought up to date, or refused. Shell."""

from __future__ import annotations

import sqlite3
from typing import Final

from xyfleet.worker.reasons import Reason
from xyfleet.worker.storage.schema import ADDED, ADDED_INDEX, ORDER_INDEX, TABLES, TALLIES, VERSION

_NUMBERED: Final = ("messages", "outbox")
"""Tables whose rows are known by their numbers elsewhere."""


class Unusable(Exception):
    """The file is there and can't be an inbox for us; it was not touched. The reason says why and what to do."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(str(reason))


class NewerSchema(Unusable):
    """The file belongs to a newer xyfleet."""

    def __init__(self, found: int) -> None:
        super().__init__(Reason("newer_inbox", {"number": found, "known": VERSION}))


class Broken(Unusable):
    """The file is no inbox, or a damaged one."""


def check_version(found: int) -> None:
    """Raise `NewerSchema` for a version that is not known here."""
    if found > VERSION:
        raise NewerSchema(found)


def make_tables(db: sqlite3.Connection, after: tuple[int, int]) -> bool:
    """Make all tables of an empty file, or, when something goes wrong, none; return whether it was empty."""
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return False
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    known = zip(_NUMBERED, after, strict=True)
    numbers = [f"INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', {number:d})" for table, number in known]
    _change(db, *TABLES, *numbers, f"PRAGMA user_version = {VERSION}")
    return True


def _change(db: sqlite3.Connection, *statements: str) -> None:
    """Carry out all of them, or, once the connection is closed, none. A script keeps none of them for another time."""
    db.executescript("; ".join(("BEGIN EXCLUSIVE", *statements, "COMMIT")))


def go_on_behind(db: sqlite3.Connection, after: tuple[int, int]) -> bool:
    """Give no number again that somebody knows; return whether some were to be given: an older copy was put there."""
    held = dict(db.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    behind = [(number, table) for table, number in zip(_NUMBERED, after, strict=True) if held.get(table, 0) < number]
    if behind:
        db.execute("BEGIN IMMEDIATE")
        for number, table in behind:
            db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))
        db.execute("COMMIT")
    return bool(behind)


def check_tables(db: sqlite3.Connection) -> None:
    """Raise `Unusable` for a file that is newer, or no inbox."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    check_version(version)
    names = "('messages', 'outbox', 'pauses', 'meta')"
    (tables,) = db.execute(f"SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN {names}").fetchone()
    if version < VERSION or tables != 4:
        raise Broken(Reason("no_inbox"))


def complete_tables(db: sqlite3.Connection) -> None:
    """Give a file of an older xyfleet what came later."""
    _add_columns(db)
    db.executescript(ORDER_INDEX)
    _add_tallies(db)


def _add_tallies(db: sqlite3.Connection) -> None:
    """Have the open messages counted from now on, if they are not yet."""
    if not db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'tallies'").fetchone()[0]:
        _change(db, *TALLIES)


def _add_columns(db: sqlite3.Connection) -> None:
    """Add the columns that came later: all of them, or, when something goes wrong, nothing."""
    query = "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns"
    held = set(db.execute(query).fetchall())
    missing = [column for column in ADDED if column[:2] not in held]
    if missing:
        columns = (f"ALTER TABLE {table} ADD COLUMN {name} {kind}" for table, name, kind in missing)
        _change(db, *columns, ADDED_INDEX)
