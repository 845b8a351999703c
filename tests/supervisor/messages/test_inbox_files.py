"""Reading the accounts' inboxes: whatever their worker does, and whatever became of the file."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.inboxes import HANDLED, NOW, store, write, writer
from support.standin import until
from xyfleet.supervisor.messages import query as listing_module
from xyfleet.supervisor.messages.inbox_files import MOST_OPEN, Files, Unreadable
from xyfleet.supervisor.messages.query import Listing, Question, listing, since
from xyfleet.supervisor.messages.reader_thread import ReaderThread
from xyfleet.worker.storage.schema import VERSION


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    one = Files(lambda name: tmp_path / "inbox" / f"{name}.db")
    yield one
    one.close()


def newest(files: Files, *accounts: str, limit: int = 50, **asked: Any) -> Listing:
    """Return the newest messages."""
    return listing(files, accounts, Question(limit, **asked))


def ids(found: Listing) -> list[str]:
    """Return the ids in a listing."""
    return [line.split(b'"id":"')[1].split(b'"')[0].decode() for line in found.lines]


@pytest.mark.parametrize("end", ["lives", "closes", "is killed"])
def test_a_worker_may_write_or_be_gone(tmp_path: Path, files: Files, end: str) -> None:
    """Rows are there while their worker has the file open, after it closed it, and after it was killed."""
    with writer(tmp_path, "a", 3) as process:
        if end == "is killed":
            process.kill()
        if end != "lives":
            process.communicate()
        found = newest(files, "a")
        process.communicate()
    with store(tmp_path, "a") as opened:  # and it can go on
        write(opened, "later.PNM")

    assert ids(found) == ["0.PNM", "1.PNM", "2.PNM"]
    assert ids(newest(files, "a"))[-1] == "later.PNM"


def test_reading_writes_nothing(tmp_path: Path, files: Files) -> None:
    """The file is as it was, and nothing can be changed through our handle."""
    with store(tmp_path, "a") as opened:
        write(opened, "1.PNM")
    path = tmp_path / "inbox" / "a.db"
    before = path.read_bytes()
    newest(files, "a")
    with pytest.raises(Unreadable, match="readonly"):
        _change(files)

    assert path.read_bytes() == before


def _change(files: Files) -> None:
    with files.reading("a") as held:
        assert held is not None
        held.db.execute("DELETE FROM messages")


def test_no_file_is_no_message(tmp_path: Path, files: Files) -> None:
    """An account that never got one is no trouble; nor is one whose file is only being made."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "b.db").touch()

    assert newest(files, "a", "b") == Listing([], {}, {})
    assert len(files) == 0


def test_bad_files_are_named_and_others_read(tmp_path: Path, files: Files) -> None:
    """A newer one, rubbish, and a folder: each says what it is, none is in the way of the rest."""
    folder = tmp_path / "inbox"
    for account in ("good", "newer", "torn"):
        with store(tmp_path, account) as opened:
            write(opened, f"{account}.PNM")
    with contextlib.closing(sqlite3.connect(folder / "newer.db")) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    (folder / "rubbish.db").write_bytes(b"x" * 5000)
    (folder / "folder.db").mkdir()
    torn = bytearray((folder / "torn.db").read_bytes())
    torn[4096:] = b"\xff" * (len(torn) - 4096)
    (folder / "torn.db").write_bytes(torn)

    found = newest(files, "newer", "rubbish", "good", "folder", "torn")

    assert ids(found) == ["good.PNM"]
    assert list(found.troubles) == ["newer", "rubbish", "folder", "torn"]
    assert "newer xyfleet (schema 2, this one knows 1)" in found.troubles["newer"].say("en")
    assert "rubbish.db: file is not a database" in found.troubles["rubbish"].say("en")
    assert "malformed" in found.troubles["torn"].say("en")


def test_a_mended_file_is_read_again(tmp_path: Path, files: Files) -> None:
    """A trouble lasts no longer than its reason."""
    path = tmp_path / "inbox" / "a.db"
    path.parent.mkdir()
    path.write_bytes(b"x" * 5000)
    assert newest(files, "a").troubles
    path.unlink()
    with store(tmp_path, "a") as opened:
        write(opened, "1.PNM")

    assert ids(newest(files, "a")) == ["1.PNM"]


def test_few_files_are_open_at_one_time(tmp_path: Path, files: Files) -> None:
    """Of many accounts those that were read last stay open."""
    names = [f"a{number:02}" for number in range(MOST_OPEN + 4)]
    for number, name in enumerate(names):
        with store(tmp_path, name) as opened:
            write(opened, f"{name}.PNM", now=NOW + number)

    assert ids(newest(files, *names)) == [f"{name}.PNM" for name in names]
    assert len(files) == MOST_OPEN


def test_the_newest_are_merged(tmp_path: Path, files: Files) -> None:
    """By the time they were stored, over all accounts, the newest last; only so many."""
    with store(tmp_path, "a") as first, store(tmp_path, "b") as second:
        for number in range(20):
            write(first if number % 3 else second, f"{number}.PNM", now=NOW + number, time=NOW - number)

    assert ids(newest(files, "a", "b", limit=7)) == [f"{number}.PNM" for number in range(13, 20)]
    assert ids(newest(files, "b", "a", since=NOW + 17)) == ["17.PNM", "18.PNM", "19.PNM"]


def test_talks_and_dead_letters_are_found(tmp_path: Path, files: Files) -> None:
    """One conversation; and those the handler failed at, with the reason, by their own index."""
    with store(tmp_path, "a") as opened:
        for number in range(6):
            row = write(opened, f"{number}.PNM", conversation=str(number % 2), rules=HANDLED)
            if number in (1, 4):
                opened.begin(row, 0)
                opened.give_up(row, "failed" if number == 1 else "parked", "because")

    dead = newest(files, "a", failed=True)

    assert ids(newest(files, "a", conversation="1")) == ["1.PNM", "3.PNM", "5.PNM"]
    assert ids(dead) == ["1.PNM", "4.PNM"]
    assert dead.lines[0].endswith(b'"attempt":1,"raw":null,"state":"failed","reason":"because"}')


def test_long_payloads_are_read_few_at_a_time(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing has a bound in bytes, too."""
    payload = {"a": ["长" * 300], "b": 1.50}
    with store(tmp_path, "a") as first, store(tmp_path, "b") as second:
        for number in range(8):
            write(first if number % 2 else second, f"{number}.PNM", now=NOW + number, raw=payload)
    monkeypatch.setattr(listing_module, "MOST_BYTES", 4000)
    listed = newest(files, "a", "b")

    assert ids(listed) == ["5.PNM", "6.PNM", "7.PNM"]
    assert json.loads(listed.lines[0])["raw"] == payload


def test_a_payload_is_one_line(tmp_path: Path, files: Files) -> None:
    """Whoever wrote it: blanks between its parts are gone; what is no JSON makes its inbox unreadable."""
    with store(tmp_path, "a") as opened:
        write(opened, "1.PNM")
        opened.db.execute("UPDATE messages SET raw = ?", (b'{"a":\n [1,\r\n 2]}\n',))
        assert newest(files, "a").lines[0].endswith(b'"raw":{"a":[1,2]}}')
        opened.db.execute("UPDATE messages SET raw = ?", (b'{"a":\n\n',))
        assert list(newest(files, "a").troubles) == ["a"]


async def test_reader_rests_when_nobody_asks(tmp_path: Path) -> None:
    """After a while without a question no file is open and the thread is gone; the next question is answered."""
    reader = ReaderThread(lambda name: tmp_path / "inbox" / f"{name}.db", idle=0.05)
    with store(tmp_path, "a") as opened:
        write(opened, "1.PNM")
    for _ in range(2):
        assert ids(await reader.ask(lambda files: newest(files, "a"))) == ["1.PNM"]
        assert not reader.resting
        await until(lambda: reader.resting)


@pytest.mark.parametrize(
    ("text", "ago"),
    [("45s", 45_000), ("30m", 1_800_000), ("2h", 7_200_000), ("3d", 259_200_000), ("999999999d", NOW)],
)
def test_spans(text: str, ago: int) -> None:
    """A number and a unit mean so long ago."""
    assert since(text, NOW) == NOW - ago


def test_times() -> None:
    """A time has to say its zone."""
    assert since("2026-01-02T03:04:05Z", 0) == since("2026-01-02T11:04:05+08:00", 0) == NOW
    assert since("0001-01-01T00:00:00Z", 0) == 0
    for text in ("", "2", "h", "-1h", "2026-01-02T03:04:05", "2026-01-02", "٣h", "9999999999d"):
        with pytest.raises(ValueError, match=r"zone|isoformat"):
            since(text, NOW)


def test_a_full_disk_is_named(small_disk: Path) -> None:
    """Without room SQLite can't note who reads; that is said, and with room the messages can be read again."""
    with store(small_disk, "a") as opened:
        write(opened, "1.PNM")
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    files = Files(lambda name: small_disk / "inbox" / f"{name}.db")
    with pytest.raises(Unreadable, match="the disk is full: make room"), files.reading("a"):
        pass
    ballast.unlink()

    assert ids(newest(files, "a")) == ["1.PNM"]
    files.close()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_that_accounts_trouble(tmp_path: Path, files: Files, make: Callable[[Path], None]) -> None:
    """B23: a pipe or a folder in the place of an inbox does not keep the reader of all waiting."""
    (tmp_path / "inbox").mkdir()
    make(tmp_path / "inbox" / "a.db")

    with pytest.raises(Unreadable, match="it is not a regular file"), files.reading("a"):
        pass
