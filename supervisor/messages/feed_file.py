"""The order of all messages of a fleet: one line for each, numbered as they were seen to be on disk. Shell (SQLite).

The file can be made again from the inboxes, but for the order: so it has an id, which is in every cursor.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from xyfleet.worker.private_files import open_private
from xyfleet.worker.storage.schema import VERSION as INBOX_VERSION

MOST: Final = 1_000_000
"""Lines that are kept; a cursor behind which some are gone is answered so."""
FIRST_LINES: Final = 10_000
"""Lines at most that an inbox gets which nobody knew of: what is older is found by listing."""
_VERSION: Final = 1
_TABLES: Final = (
    "CREATE TABLE feed (seq INTEGER PRIMARY KEY AUTOINCREMENT, unb TEXT NOT NULL, row INTEGER NOT NULL)",
    "CREATE TABLE heads (unb TEXT PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE meta (id TEXT NOT NULL)",
)
_OURS: Final = re.compile(r"([0-9a-f]{12})-([0-9]{1,18})")
_EARLIER: Final = re.compile(r"[A-Za-z0-9_-]{18,}")
_RUINED: Final = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})

T = TypeVar("T")


class BadCursor(Exception):
    """The text is none that a stream ever gave."""


class Gone(Exception):
    """The cursor is of another feed, or what comes behind it is not kept any more."""


class Line(NamedTuple):
    """A message of the fleet."""

    seq: int
    unb: str
    """Whose inbox it is in."""
    row: int


class FeedFile:
    """
    The open feed; it is opened when it is used. Used by one thread at a time.

    Args:
        path: Its file.
        inboxes: The folder of the inboxes. What is in them when the feed is made has no lines. Later, at the first
            use, they get those that are missing: the supervisor may have ended before it heard of a row.
    """

    def __init__(self, path: Path, inboxes: Path) -> None:
        self._path = path
        self._inboxes = inboxes
        self._db: sqlite3.Connection | None = None
        self._is_complete = False
        self.id = ""
        self.first = 1
        """Number of the oldest line that is kept."""
        self.last = 0
        """Number of the newest line that there ever was."""
        self.heads: dict[str, int] = {}
        """Up to which row each inbox has its lines. Read in other threads, too."""
        with contextlib.suppress(sqlite3.Error, OSError):  # whatever is wrong shows again when it is used
            self._sound(self._opened)
            self.close()

    def cursor(self, seq: int) -> str:
        """Return what stands for all lines up to this one; "" where the file could never be opened."""
        return f"{self.id}-{seq}" if self.id else ""

    def place(self, text: str) -> int:
        """Return the number of the line that a cursor stands for. Raises `BadCursor`, `Gone`."""
        found = _OURS.fullmatch(text)
        if found is None:
            raise Gone(text) if _EARLIER.fullmatch(text) else BadCursor(text)
        seq = int(found[2])
        if found[1] != self.id or not self.first - 1 <= seq <= self.last:
            raise Gone(text)
        return seq

    def grow(self, ends: Mapping[str, int]) -> None:
        """Give lines to the rows of inboxes up to these. Raises OSError, sqlite3.Error."""
        self._sound(lambda: self._grow(ends))

    def lines(self, after: int, limit: int) -> list[Line]:
        """Return the lines behind a number; whoever has it looks at `id` again. Raises OSError, sqlite3.Error."""
        return self._sound(lambda: self._lines(after, limit))

    def forget(self, unb: str) -> None:
        """Leave out an inbox that is deleted for good. Raises OSError, sqlite3.Error."""
        self._sound(lambda: self._forget(unb))

    def close(self) -> None:
        """Close the file; the next use opens it."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _sound(self, use: Callable[[], T]) -> T:
        """
        Return what a use of the file comes to. One that proves ruined, wherever in it, is begun anew.

        Nothing in it can't be made again but the numbers, and its cursors are of another one then.
        """
        try:
            return use()
        except sqlite3.Error as error:
            self.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _RUINED:
                raise
        for end in ("-wal", "-shm", ""):
            Path(f"{self._path}{end}").unlink(missing_ok=True)
        return use()

    def _grow(self, ends: Mapping[str, int]) -> None:
        self._complete()
        self._append((unb, row) for unb, end in ends.items() for row in self._missing(unb, end))

    def _lines(self, after: int, limit: int) -> list[Line]:
        self._complete()
        query = "SELECT seq, unb, row FROM feed WHERE seq > ? ORDER BY seq LIMIT ?"
        return [Line(*line) for line in self._opened().execute(query, (after, limit))]

    def _forget(self, unb: str) -> None:
        with self._writing() as db:
            db.execute("DELETE FROM feed WHERE unb = ?", (unb,))
            db.execute("DELETE FROM heads WHERE unb = ?", (unb,))
        self.heads.pop(unb, None)

    def _missing(self, unb: str, end: int) -> range:
        return range(max(self.heads.get(unb, 0), end - FIRST_LINES) + 1, end + 1)

    def _append(self, rows: Iterable[tuple[str, int]]) -> None:
        found = list(rows)
        if not found:
            return
        heads = dict(found)  # rows of an inbox come in their order: the last one stays
        with self._writing() as db:
            db.executemany("INSERT INTO feed (unb, row) VALUES (?, ?)", found)
            db.executemany("INSERT OR REPLACE INTO heads (unb, row) VALUES (?, ?)", heads.items())
            db.execute("DELETE FROM feed WHERE seq <= (SELECT max(seq) FROM feed) - ?", (MOST,))
        self.heads |= heads
        self._look(self._opened())

    def _complete(self) -> None:
        """Once: see which rows the inboxes have that nobody told of."""
        self._opened()
        if not self._is_complete:
            news = [(stamp, unb, row) for unb, row, stamp in _ends(self._inboxes, self.heads)]
            self._append((unb, row) for _, unb, row in sorted(news))
            self._is_complete = True

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        db = self._opened()
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            self.close()
            raise

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            db = _open(self._path, self._inboxes)
            try:
                self._look(db)
                self.heads = dict(db.execute("SELECT unb, row FROM heads").fetchall())
            except BaseException:
                db.close()
                raise
            self._db = db
        return self._db

    def _look(self, db: sqlite3.Connection) -> None:
        (self.id,) = db.execute("SELECT id FROM meta").fetchone()
        (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'feed'").fetchone()
        (first,) = db.execute("SELECT min(seq) FROM feed").fetchone()
        self.first, self.last = (last + 1 if first is None else first), last


def _open(path: Path, inboxes: Path) -> sqlite3.Connection:
    os.close(open_private(path, os.O_RDWR | os.O_CREAT))
    db = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        db.execute("PRAGMA synchronous = FULL")  # a number that was given must never be another line's
        db.execute("PRAGMA journal_size_limit = 1048576").fetchall()
        if db.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
            db.execute("BEGIN EXCLUSIVE")
            for statement in _TABLES:
                db.execute(statement)
            db.execute("INSERT INTO meta (id) VALUES (?)", (secrets.token_hex(6),))
            ends = ((unb, row) for unb, row, _ in _ends(inboxes, None))
            db.executemany("INSERT INTO heads (unb, row) VALUES (?, ?)", ends)
            db.execute(f"PRAGMA user_version = {_VERSION}")
            db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def _ends(folder: Path, heads: Mapping[str, int] | None) -> Iterator[tuple[str, int, int]]:
    """Yield user, row and stamp of what is behind the heads; without any, of the last row of each inbox."""
    for path in sorted(folder.glob("*.db")):
        # One that can't be read is said to whoever follows, and looked at again when its worker tells of a row.
        with contextlib.suppress(sqlite3.Error, OSError):
            for row, stamp in _behind(path, None if heads is None else heads.get(path.stem, 0)):
                yield path.stem, row, stamp


def _behind(path: Path, head: int | None) -> Sequence[tuple[int, int]]:
    if not stat.S_ISREG(path.stat().st_mode):
        return ()
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if not 0 < version <= INBOX_VERSION:
            return ()
        if head is None:
            return db.execute("SELECT seq, 0 FROM sqlite_sequence WHERE name = 'messages' AND seq > 0").fetchall()
        query = "SELECT row, stamp FROM messages WHERE row > ? ORDER BY row DESC LIMIT ?"
        return db.execute(query, (head, FIRST_LINES)).fetchall()[::-1]
