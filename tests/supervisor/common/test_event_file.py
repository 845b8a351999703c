"""The events' file when others move it, and state files when others were there first."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from xyfleet.supervisor.common.atomic_files import Unusable, Writer, read, write
from xyfleet.supervisor.common.event_log import EventLog
from xyfleet.supervisor.credentials.store import Store
from xyfleet.worker.private_files import NotPrivate


def numbers(path: Path) -> list[int]:
    """Return the numbers of the events in a file."""
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def temporary(folder: Path) -> list[str]:
    """Return the names that end in `.tmp`, deep down too."""
    return [path.name for path in folder.rglob("*.tmp")]


def test_a_removed_file_is_made_again(tmp_path: Path) -> None:
    """Finding 22: after the file was removed no event is lost but those that were in it."""
    path = tmp_path / "events.jsonl"
    log = EventLog(path, max_bytes=4000)
    log.add("message", time=0)
    asyncio.run(log.written())
    path.unlink()
    for number in range(100):
        log.add("message", time=number, reason="x" * 20)
    log.close()

    assert (log.problem, log.lost) == (None, 0)
    kept = numbers(path.with_name("events.jsonl.1")) + numbers(path)
    assert kept == list(range(102 - len(kept), 102))
    assert len(kept) > 10


def test_a_removed_older_file_is_no_trouble(tmp_path: Path) -> None:
    """Finding 22: a rotation in which one of the two files is missing, or their folder, goes on as well."""
    path = tmp_path / "deep" / "events.jsonl"
    log = EventLog(path, max_bytes=4000)
    for number in range(100):
        log.add("message", time=number, reason="x" * 20)
        asyncio.run(log.written())
        if number % 30 == 0:
            shutil.rmtree(path.parent)
        elif number % 10 == 0:
            path.with_name("events.jsonl.1").unlink(missing_ok=True)
    log.close()

    assert (log.problem, log.lost) == (None, 0)


def test_a_planted_link_is_not_written_to(tmp_path: Path) -> None:
    """B6: the temporary file of a write is a new one, with a name that nobody can plant."""
    loot = tmp_path / "loot"
    loot.touch()
    path = tmp_path / "a.json"
    path.with_name("a.json.tmp").symlink_to(loot)
    write(path, b"1")

    assert (path.read_bytes(), loot.read_bytes()) == (b"1", b"")


def test_a_link_in_the_place_of_a_file_is_not_read(tmp_path: Path) -> None:
    """B6: nor is it taken for a file that is missing or torn."""
    (tmp_path / "theirs").write_bytes(b"1")
    (tmp_path / "a.json").symlink_to("theirs")

    with pytest.raises(NotPrivate):
        read(tmp_path / "a.json", lambda data: data)


async def test_what_a_crash_left_goes_at_the_next_start(tmp_path: Path) -> None:
    """Temporary files hold cookies: of whatever version, they do not stay, and neither do they with `forget`."""
    folder, old = tmp_path / "users", tmp_path / "accounts"
    folder.mkdir()
    old.mkdir()
    left = [folder / "1.json.0123456789abcdef.tmp", old / "a.json.tmp", tmp_path / "fleet.json.0123456789abcdef.tmp"]
    left.append(tmp_path / "desired.json.tmp")
    for path in (*left, tmp_path / "notes.tmp"):
        path.write_text("x")
    store = Store(tmp_path)
    store.load(["a"])
    assert temporary(tmp_path) == ["notes.tmp"]
    await store.close()

    left[0].write_text("x")
    deleted, trouble = Writer().remove(folder / "1.json")
    assert str(left[0]) in deleted
    assert trouble is None


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """B23: nobody writes to it, and nobody ever will."""
    os.mkfifo(tmp_path / "a.json", 0o600)

    def never(data: bytes) -> bytes:
        raise Unusable

    with pytest.raises(NotPrivate):
        read(tmp_path / "a.json", never)
