"""The file under an account's store: its rights, its schema, and trouble that is told from program errors."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from support.stores import add, incoming
from xyfleet.worker.reasons import words
from xyfleet.worker.storage import sqlite
from xyfleet.worker.storage.inbox_tables import Broken, NewerSchema, Unusable
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.schema import VERSION

pytestmark = pytest.mark.pythons


def test_a_new_file_is_the_owners_only(path: str) -> None:
    """File, log and index are 0600 in a 0700 folder; what was committed is on disk at the end of each commit."""
    with contextlib.closing(MessageStore(path, "a")) as store:
        add(store, incoming("1.PNM"))
        pragmas = [store.db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
        modes = {stat.S_IMODE(os.stat(path + end).st_mode) for end in ("", "-wal", "-shm")}

    assert modes == {0o600}
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert pragmas == ["wal", 2]


def leave_crashed(path: str, statements: list[str]) -> None:
    """Leave a file as a crash does: the changes are in the log beside it, not in the file."""
    with contextlib.closing(MessageStore(path, "a")) as made:
        add(made, incoming("1.PNM"))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
        for statement in statements:
            db.execute(statement)
        for end in ("", "-wal"):
            shutil.copy(path + end, f"{path}{end}.crashed")
    for end in ("", "-wal"):
        os.replace(f"{path}{end}.crashed", path + end)


@pytest.mark.parametrize("in_the_log", [False, True])
def test_a_newer_file_is_refused_unharmed(path: str, in_the_log: bool) -> None:
    """Not a byte changes, neither of the file nor of what a crash left beside it."""
    if in_the_log:
        leave_crashed(path, [f"PRAGMA user_version = {VERSION + 1}"])
    else:
        MessageStore(path, "a").close()
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute(f"PRAGMA user_version = {VERSION + 1}")
    files = {end: Path(path + end).read_bytes() for end in ("", "-wal") if os.path.exists(path + end)}

    with pytest.raises(NewerSchema, match=rf"newer xyfleet \(schema {VERSION + 1}, this one knows {VERSION}\)"):
        MessageStore(path, "a")
    assert {end: Path(path + end).read_bytes() for end in files} == files
    assert len(files) == 1 + in_the_log


def test_a_crash_leaves_all_that_was_committed(path: str) -> None:
    """What is only in the log beside the file is there for the next one who opens it."""
    leave_crashed(path, ["INSERT INTO meta (key, value) VALUES ('caught_up', 7)"])
    with contextlib.closing(MessageStore(path, "a")) as again:
        assert again.meta("caught_up") == 7


def other_file() -> bytes:
    """Return an SQLite file that is no inbox."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE shopping (list TEXT)")
        return bytes(db.serialize())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"garbage" * 1000, "it is not an SQLite file"),
        (b"SQLite format 3\0", "it is not an SQLite file"),
        (other_file(), "it is an SQLite file, but no inbox"),
    ],
)
def test_a_broken_file_is_named_and_left_alone(path: str, content: bytes, why: str) -> None:
    """A file that is no inbox is refused with the reason and what to do, and not touched."""
    os.makedirs(os.path.dirname(path))
    Path(path).write_bytes(content)
    with pytest.raises(Broken) as refused:
        MessageStore(path, "a")

    assert why in str(refused.value)
    assert isinstance(refused.value, Unusable)
    assert Path(path).read_bytes() == content


def test_a_damaged_page_is_trouble_not_a_program_error(path: str, store: MessageStore) -> None:
    """Damage inside of the file is found by SQLite, and explained with what to do."""
    add(store, *(incoming(f"{number}.PNM", text="x" * 500) for number in range(100)))
    store.close()
    data = bytearray(Path(path).read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    Path(path).write_bytes(data)
    with pytest.raises(sqlite3.DatabaseError) as caught, contextlib.closing(MessageStore(path, "a")) as again:
        again.figures()

    assert sqlite.is_trouble(caught.value)
    assert "malformed" in str(sqlite.explain(caught.value))
    assert sqlite.is_ruined(caught.value)


def test_an_empty_file_becomes_an_inbox(path: str) -> None:
    """A crash right after the file was made is no trouble."""
    os.makedirs(os.path.dirname(path))
    Path(path).touch()
    with contextlib.closing(MessageStore(path, "a")) as made:
        assert [row.row for row in add(made, incoming("1.PNM"))] == [1]


def _statements() -> int:
    return sum(type(each).__name__ == "Statement" for each in gc.get_objects())


def test_making_a_file_keeps_no_statements(path: str) -> None:
    """What makes the tables runs once, so it stays in nobody's memory: as little does as of opening a file again."""
    kept: list[int] = []
    for _ in range(2):
        before = _statements()
        db, _ = sqlite.open_inbox(path)
        kept.append(_statements() - before)
        db.close()

    assert kept[0] - kept[1] <= 2


def test_noticing_that_the_file_was_taken_away(path: str, store: MessageStore) -> None:
    """Another file under the same name is not the one that is open."""
    there = [store.is_there()]
    os.rename(path, path + ".away")
    there.append(store.is_there())
    Path(path).touch()
    there.append(store.is_there())

    assert there == [True, False, False]


@pytest.mark.parametrize(
    ("error", "trouble", "said"),
    [
        (OSError(28, "No space left on device"), True, "No space left on device"),
        (ValueError("x"), False, "x (ValueError)"),
        (Broken(words("odd")), True, "odd"),
    ],
)
def test_what_is_trouble(error: Exception, trouble: bool, said: str) -> None:
    """The disk's errors are told apart from the program's."""
    assert sqlite.is_trouble(error) is trouble
    assert said in str(sqlite.explain(error))


def test_another_programs_lock_is_trouble(path: str, store: MessageStore) -> None:
    """A transaction of another program, which does not end, is explained."""
    store.db.execute("PRAGMA busy_timeout = 1").fetchall()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as caught:
            store.db.execute("BEGIN IMMEDIATE")

    assert sqlite.is_trouble(caught.value)
    assert "another program" in str(sqlite.explain(caught.value))


def test_a_wrong_statement_is_a_program_error(store: MessageStore) -> None:
    """SQLite calls it operational, too; it would not go away by trying again."""
    with pytest.raises(sqlite3.OperationalError) as caught:
        store.db.execute("SELECT nonsense")

    assert not sqlite.is_trouble(caught.value)
