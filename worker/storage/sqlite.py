"""An inbox's SQLite file: made, opened, or refused without a scratch. Shell.

WAL and synchronous=FULL: what was committed outlives SIGKILL and power loss, and readers never wait for the writer.
One connection writes, of one thread of the account's worker.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from typing import Final

from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.storage.inbox_tables import (
    Broken,
    Unusable,
    check_tables,
    check_version,
    complete_tables,
    go_on_behind,
    make_tables,
)

BUSY_TIMEOUT: Final = 1.0
"""Seconds for which another program's transaction is waited for."""
CACHE: Final = 64
"""KiB of pages kept in memory; a transaction's own pages go to the file early when they are more."""
CHECKPOINT: Final = 256
"""Pages in the write-ahead log at which they go into the file: few at a time, so that no commit waits long for it."""
_MAGIC: Final = b"SQLite format 3\0"
_TROUBLES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


class NoFile(Unusable):
    """Something else has the file's name: a folder, a pipe."""

    def __init__(self, path: str) -> None:
        super().__init__(Reason("inbox_no_file", {"path": path}))


class Unsaved(Unusable):
    """The log beside the open file was taken away, and what is in it can't be brought into the file now."""

    def __init__(self) -> None:
        super().__init__(Reason("inbox_log_removed"))


def open_inbox(path: str, *, after: tuple[int, int] = (0, 0)) -> tuple[sqlite3.Connection, bool]:
    """
    Return a connection to the inbox, and whether rows may be missing: it is new, or an older copy of what it was.

    It is made when it is not there, 0600 in a 0700 folder.

    Args:
        after: Row number and outbox number that the file goes on behind. Whoever knew rows of a file that was
            taken away must not meet other messages under their numbers.

    Raises:
        Unusable: newer or no inbox; nothing was changed.
        OSError, sqlite3.Error: the disk refuses.
    """
    _refuse_foreign(path)
    _make_file(path)
    db = _connect(path)
    try:
        new = make_tables(db, after)
        check_tables(db)
        complete_tables(db)
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # So that the log is there: see `companions`.
        behind = go_on_behind(db, after)
    except BaseException:
        db.close()
        raise
    return db, new or behind


def put_aside(path: str) -> str:
    """
    Give a ruined file, and what is beside it, another name with the time in it; return that.

    Raises:
        OSError: the disk refuses.
    """
    aside = stem = f"{path}.ruined-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = f"{stem}-{number}"
    for end in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            os.rename(path + end, aside + end)
    _sync(os.path.dirname(path))
    return aside


def is_trouble(error: BaseException) -> bool:
    """Tell whether an error is the file's or the disk's, and so may go away; all others are program errors."""
    if isinstance(error, Unusable | OSError):
        return True
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _TROUBLES


def is_ruined(error: BaseException) -> bool:
    """Tell whether an error says that the file itself is no good."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, Broken) or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def explain(error: BaseException) -> Reason:
    """Return why the file can't be used, and what helps."""
    if isinstance(error, Unusable):
        return error.reason
    if isinstance(error, OSError):
        return words(error.strerror or str(error))
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return Reason("disk_full")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return words(str(error))
    if code == sqlite3.SQLITE_BUSY:
        return Reason("file_locked")
    return words(f"{error} ({getattr(error, 'sqlite_errorname', None) or type(error).__name__})")


def identity(path: str) -> tuple[int, int] | None:
    """Return what tells the file at this path from every other, None when there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def companions(path: str) -> tuple[tuple[int, int] | None, ...]:
    """
    Return what tells the log, and the index, beside an open file from every other.

    SQLite names them after the file itself, not after a link to it.
    """
    real = os.path.realpath(path)
    return identity(f"{real}-wal"), identity(f"{real}-shm")


def save_log(db: sqlite3.Connection) -> None:
    """Bring all that is in the log, wherever that went, into the file. Raises `Unsaved`, OSError, sqlite3.Error."""
    busy, pages, moved = db.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
    if busy or pages != moved:
        raise Unsaved


def size(db: sqlite3.Connection) -> int:
    """Return the bytes that the pages in use take, the write-ahead log not counted."""
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    (page,) = db.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * page)


def log_size(path: str) -> int:
    """Return the bytes of the write-ahead log."""
    with contextlib.suppress(OSError):
        return os.stat(f"{path}-wal").st_size
    return 0


def _refuse_foreign(path: str) -> None:
    """Look at a file's head, and at a crash's rest beside it, without writing anything."""
    head = _head(path)
    if not head:
        return
    if len(head) < 64 or not head.startswith(_MAGIC):
        raise Broken(Reason("no_sqlite"))
    check_version(int.from_bytes(head[60:64], "big"))
    if log_size(path):
        # A crash left changes outside the file, its version maybe among them. Closing a connection that may write
        # would move them into the file: this one may not.
        with contextlib.closing(_connect(path, "?mode=ro")) as db:
            check_version(db.execute("PRAGMA user_version").fetchone()[0])


def _head(path: str) -> bytes:
    """Return a file's first bytes, none if it is not there. Never waits, whatever has its name."""
    for name in (path, f"{path}-wal", f"{path}-shm"):
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.stat(name).st_mode):
                raise NoFile(name)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    with open(handle, "rb") as file:
        return file.read(64)


def _make_file(path: str) -> None:
    """Make folder and file, with their names on disk; SQLite gives its other files the same mode."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        _sync(os.path.dirname(folder))
    if not os.path.exists(path):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _sync(folder)


def _sync(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _connect(path: str, query: str = "") -> sqlite3.Connection:
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    db = sqlite3.connect(
        f"file:{quoted}{query}", uri=True, timeout=BUSY_TIMEOUT, isolation_level=None, cached_statements=64
    )
    # A script: it keeps none of these statements for another time.
    db.executescript(
        f"PRAGMA synchronous = FULL; PRAGMA cache_size = -{CACHE}; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
        f"PRAGMA wal_autocheckpoint = {CHECKPOINT}; PRAGMA journal_size_limit = 1048576; PRAGMA secure_delete = FAST"
    )
    return db
