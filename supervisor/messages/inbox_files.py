"""The accounts' inboxes, open to be read: few at a time, never written, in one thread. Shell.

The workers write in WAL mode, so nobody waits for anybody. A file that is not there has no messages; one that is
broken, newer or not to be read is a trouble of its own account alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.worker.storage.schema import VERSION

MOST_OPEN: Final = 16
BUSY_TIMEOUT: Final = 1.0
"""Seconds for which somebody's lock is waited for: only a writer that recovers its file after a crash has one."""
CACHE: Final = 256
"""KiB of pages in memory for each open file."""


ROOM: Final = 65_536
"""Bytes on the disk below which a failure to read is put down to it."""


class Unreadable(Exception):
    """An account's messages can't be read now."""

    def __init__(self, why: Text) -> None:
        self.why = why
        super().__init__(why.say("en"))


class Opened(NamedTuple):
    """An open inbox."""

    db: sqlite3.Connection
    inode: int
    """Another one is another file: its rows are not those that were known."""


class Files:
    """Opens inboxes when they are asked for, and closes those that were not for longest. For one thread only."""

    def __init__(self, where: Callable[[str], Path], most: int = MOST_OPEN) -> None:
        self._where = where
        self._most = most
        self._open: OrderedDict[str, Opened] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    @contextlib.contextmanager
    def reading(self, account: str) -> Iterator[Opened | None]:
        """Give an account's inbox, None if it has none yet. Raises `Unreadable`, also for what goes wrong inside."""
        try:
            yield self._get(account)
        except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:  # the last: rows that are none of ours
            self._drop(account)
            raise Unreadable(_reason(self._where(account), error)) from None
        except Unreadable:
            self._drop(account)
            raise

    def signature(self, account: str) -> int:
        """Return a number that is another one after something was written; 0 if there is no file."""
        path = os.fspath(self._where(account))
        return hash((_stat(path), _stat(path + "-wal"))) if _stat(path) else 0

    def close(self) -> None:
        """Close all."""
        while self._open:
            self._drop(next(iter(self._open)))

    def _get(self, account: str) -> Opened | None:
        path = self._where(account)
        try:
            found = path.stat()
        except FileNotFoundError:
            self._drop(account)
            return None
        if not stat.S_ISREG(found.st_mode):
            raise Unreadable(Text(N_("%(path)s: %(why)s"), {"path": path, "why": "it is not a regular file"}))
        inode = found.st_ino
        known = self._open.get(account)
        if known is not None and known.inode == inode:
            self._open.move_to_end(account)
            return known
        self._drop(account)
        return self._begin(account, path, inode)

    def _begin(self, account: str, path: Path, inode: int) -> Opened | None:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT, isolation_level=None
        )
        try:
            db.execute("PRAGMA query_only = 1")
            db.execute(f"PRAGMA cache_size = -{CACHE}")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                text = N_("%(path)s: it was written by a newer xyfleet (schema %(found)d, this one knows %(known)d)")
                raise Unreadable(Text(text, {"path": path, "found": version, "known": VERSION}))
        except BaseException:
            db.close()
            raise
        if version == 0:  # its writer is about to make the tables
            db.close()
            return None
        while len(self._open) >= self._most:
            self._drop(next(iter(self._open)))
        self._open[account] = Opened(db, inode)
        return self._open[account]

    def _drop(self, account: str) -> None:
        opened = self._open.pop(account, None)
        if opened is not None:
            opened.db.close()


def _stat(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _reason(path: Path, error: Exception) -> Text:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    values = {"path": path, "why": why}
    # SQLite notes who reads in a file beside the inbox; without room for that it says no more than "disk I/O error".
    with contextlib.suppress(OSError):
        if shutil.disk_usage(path.parent).free < ROOM:
            return Text(N_("%(path)s: %(why)s; the disk is full: make room, then it can be read again"), values)
    return Text(N_("%(path)s: %(why)s"), values)
