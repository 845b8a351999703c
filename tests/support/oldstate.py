"""
The folder of a fleet as an older version left it (tests/upgrade/make_state.py), brought to now.

Every time in it is found by its value, not by its name, so that none is forgotten and none of it grows old: numbers and
texts near the moment at which the fleet ended, in seconds or milliseconds, in JSON files and in SQLite columns. Left as
they are: ids (of messages, of letters) that hold a time, and the raw payloads of messages. Nothing acts on those.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
import tarfile
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

NEAR = 10 * 365 * 86_400
"""Seconds from the fleet's end within which a number is a time."""
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
SIGNING_COOKIE = re.compile(r"(?<=_m_h5_tk=)(\w+_)(\d{13})")
"""Its end is a time in milliseconds."""


def unpack(archive: Path, folder: Path) -> None:
    """
    Unpack a fixture into a folder, modes and all, its times moved from its end (`<archive>.json`, `made`) to now.

    The files are copied before their SQLite connections are closed: closing one would move a write-ahead log that
    SIGKILL left into its file.
    """
    made = json.loads(archive.with_name(archive.name.replace(".tar.gz", ".json")).read_text())["made"]
    clock = _Clock(made, int(time.time()) - made)
    with tempfile.TemporaryDirectory() as staging, contextlib.ExitStack() as kept_open:
        with tarfile.open(archive) as packed:
            packed.extraction_filter = lambda member, _: member  # Ours, and modes are part of it.
            packed.extractall(staging)
        for path in sorted(Path(staging).rglob("*")):
            if path.suffix == ".db":
                kept_open.enter_context(contextlib.closing(clock.move_database(path)))
            elif path.suffix == ".jsonl":
                path.write_text("".join(clock.move_json(line) + "\n" for line in path.read_text().splitlines()))
            elif path.name.endswith((".json", ".json.bak")):
                path.write_text(clock.move_json(path.read_text()))
        shutil.copytree(staging, folder, dirs_exist_ok=True)


class _Clock:
    """Moves what is near `made` by `shift`, both in seconds."""

    def __init__(self, made: int, shift: int) -> None:
        self._made = made
        self._shift = shift

    def move_json(self, text: str) -> str:
        """Return a JSON text with its times moved."""
        return json.dumps(self._moved(json.loads(text)), ensure_ascii=False, separators=(",", ":"))

    def move_database(self, path: Path) -> sqlite3.Connection:
        """
        Move the times of an SQLite file; they are all in milliseconds.

        Returns:
            The connection, still open if the file came with a write-ahead log.
        """
        is_left_by_a_crash = path.with_name(path.name + "-wal").exists()
        db = sqlite3.connect(path)
        db.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for _, column, *_ in db.execute(f"PRAGMA table_info({table})").fetchall():
                db.execute(
                    f"UPDATE {table} SET {column} = {column} + ?"
                    f" WHERE typeof({column}) = 'integer' AND abs({column} - ?) < ?",
                    (self._shift * 1000, self._made * 1000, NEAR * 1000),
                )
        db.commit()
        if not is_left_by_a_crash:
            db.close()
        return db

    def _moved(self, value: Any) -> Any:
        match value:
            case dict():
                return {key: self._moved(each) for key, each in value.items()}
            case list():
                return [self._moved(each) for each in value]
            case str():
                return self._moved_text(value)
            case int() | float() if abs(value - self._made) < NEAR:
                return value + self._shift
            case int() | float() if abs(value - self._made * 1000) < NEAR * 1000:
                return value + self._shift * 1000
        return value

    def _moved_text(self, text: str) -> str:
        if RFC3339.fullmatch(text):
            moved = datetime.fromisoformat(text) + timedelta(seconds=self._shift)
            return moved.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return SIGNING_COOKIE.sub(lambda found: f"{found[1]}{int(found[2]) + self._shift * 1000}", text)
