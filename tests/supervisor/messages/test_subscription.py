"""Following the accounts' inboxes: what each cursor leads to."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.inboxes import NOW, store, write
from xyfleet.supervisor.messages import subscription
from xyfleet.supervisor.messages.cursor import Cursor, decode, encode
from xyfleet.supervisor.messages.subscription import MessageFeed, Piece


@contextlib.contextmanager
def hub(folder: Path, clock: list[float], sweep: float = 1000.0) -> Iterator[MessageFeed]:
    """Give a hub with a wall clock of its own."""
    one = MessageFeed(lambda name: folder / "inbox" / f"{name}.db", sweep=sweep, clock=lambda: clock[0])
    try:
        yield one
    finally:
        one.close()


async def all_behind(one: MessageFeed, names: str, cursor: str) -> list[Piece]:
    """Return the messages behind a cursor, as far as there are some."""
    pieces: list[Piece] = []
    with one.follow(lambda: names, decode(cursor)) as follower:
        while taken := [piece for piece in await follower.take(0) if piece.data is not None]:
            pieces += taken
    return pieces


def ids(pieces: list[Piece]) -> list[str]:
    """Return account and number of each message."""
    messages = [json.loads(one.data) for one in pieces if one.data is not None]
    return [one["account"] + one["id"].removesuffix(".PNM") for one in messages]


async def test_each_cursor_leads_to_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page after page, with rows of one millisecond: behind the cursor of any message come exactly the later ones."""
    monkeypatch.setattr(subscription, "PAGE", 3)
    for name in "ab":
        with store(tmp_path, name) as opened:
            for number in range(5):
                write(opened, f"{number}.PNM", now=NOW + number)
    with hub(tmp_path, [NOW / 1000 + 3600]) as one:
        first = await all_behind(one, "ab", encode(Cursor(NOW - 1)))
        rest = [ids(await all_behind(one, "ab", piece.cursor)) for piece in first]

    everything = [f"{name}{number}" for number in range(5) for name in "ab"]
    assert ids(first) == everything
    assert rest == [everything[at:] for at in range(1, 11)]
    assert max(len(decode(piece.cursor).places) for piece in first) == 1  # the time goes with what is given


async def test_late_rows_are_between_places(tmp_path: Path) -> None:
    """Rows that are on disk long after their stamp reach whoever follows; his cursor says which of them he has."""
    with store(tmp_path, "a") as opened:
        write(opened, "0.PNM", now=NOW + 60_000)
    with hub(tmp_path, [NOW / 1000 + 3600]) as one, one.follow(lambda: "ab", Cursor(0)) as follower:
        await follower.take(0)
        with store(tmp_path, "b") as opened:
            for number in range(3):
                write(opened, f"{number}.PNM", now=NOW + number)
        one.changed("b")
        # Nobody had looked at b: all its rows are news, though the time is long past them.
        late = [piece for piece in await follower.take(1) if piece.data is not None]
        rest = [ids(await all_behind(one, "ab", piece.cursor)) for piece in late]

    assert ids(late) == ["b0", "b1", "b2"]
    assert rest == [["b1", "b2"], ["b2"], []]


async def test_row_that_shows_after_its_bytes_did(tmp_path: Path) -> None:
    """Between a row's bytes and the row itself SQLite waits for the disk; who looks in between finds the row later."""
    path, log = tmp_path / "inbox" / "a.db", tmp_path / "inbox" / "a.db-wal"
    with store(tmp_path, "a") as opened, hub(tmp_path, [NOW / 1000 + 3600], sweep=0.0) as one:
        for number in range(5):
            write(opened, f"{number}.PNM", now=NOW + number)
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()  # the next row takes no more room in the log
        with one.follow(lambda: "a", Cursor(0)) as follower:
            assert len(ids(await follower.take(0))) == 5
            os.utime(log, ns=(NOW, NOW))  # the bytes
            before = log.stat()
            assert ids(await follower.take(0)) == []
            write(opened, "late.PNM", now=NOW + 9)
            os.utime(log, ns=(NOW, NOW))
            assert (log.stat().st_size, log.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
            taken = await follower.take(0)

    assert ids(taken) == ["alate"]


async def test_place_of_an_unreadable_inbox_is_kept(tmp_path: Path) -> None:
    """Others' messages move the time on by an hour; those of the mended file are not lost."""
    path = tmp_path / "inbox" / "b.db"
    with store(tmp_path, "b") as opened:
        write(opened, "0.PNM", now=NOW)
    with store(tmp_path, "a") as opened:
        write(opened, "0.PNM", now=NOW + 1000)
    whole = path.rename(path.with_suffix(".whole"))
    path.write_bytes(b"x" * 5000)
    with hub(tmp_path, [NOW / 1000 + 3600]) as one:
        seen = await all_behind(one, "ab", encode(Cursor(NOW - 1)))
        whole.rename(path)
        mended = await all_behind(one, "ab", seen[-1].cursor)

    assert (ids(seen), ids(mended)) == (["a0"], ["b0"])


async def test_new_file_of_an_account_is_read_from_its_begin(tmp_path: Path) -> None:
    """After `forget` a follower waits for the new inbox, whose rows begin at 1 again; it may have the inode, too."""
    with store(tmp_path, "a") as opened:
        for number in range(3):
            write(opened, f"{number}.PNM")
    with hub(tmp_path, [NOW / 1000 + 3600]) as one, one.follow(lambda: "a", Cursor(0)) as follower:
        assert len(await follower.take(0)) == 3
        one.reader.close()  # as among many accounts
        forget(tmp_path)
        with store(tmp_path, "a") as opened:
            write(opened, "new.PNM", now=NOW + 9000)
        one.changed("a")
        taken = await follower.take(1)

    assert ids(taken[:1]) == ["anew"]


async def test_cursor_of_a_forgotten_inbox_leads_into_its_successor(tmp_path: Path) -> None:
    """A reader who comes back, over a restart of the fleet, misses nothing of the new file's first rows."""
    with store(tmp_path, "a") as opened:
        for number in range(5):
            write(opened, f"{number}.PNM")
    with hub(tmp_path, [NOW / 1000]) as one:
        seen = await all_behind(one, "a", encode(Cursor(NOW - 1)))
    forget(tmp_path)
    with store(tmp_path, "a") as opened:
        for number in range(3):
            write(opened, f"{number}.PNM", now=NOW + 1000)
    with hub(tmp_path, [NOW / 1000 + 5]) as one:
        news = await all_behind(one, "a", seen[-1].cursor)

    assert (ids(seen), ids(news)) == (["a0", "a1", "a2", "a3", "a4"], ["a0", "a1", "a2"])


def forget(folder: Path) -> None:
    """Delete all inboxes."""
    for left in list((folder / "inbox").iterdir()):
        left.unlink()


async def test_cursor_of_quiet_times_is_short(tmp_path: Path) -> None:
    """Busy accounts have their places in it; a minute later the time alone says it all."""
    clock = [NOW / 1000]
    with hub(tmp_path, clock, sweep=0.05) as one, one.follow(lambda: "abc") as follower:
        assert decode((await follower.take(0))[0].cursor) == Cursor(NOW - 1)
        for name in "abc":
            with store(tmp_path, name) as opened:
                write(opened, "1.PNM", now=NOW + 1000)
            one.changed(name)
        busy = [piece.cursor for piece in await follower.take(1)]
        clock[0] += 120
        quiet = [piece.cursor for _ in range(3) for piece in await follower.take(0.1)]

    assert [len(decode(cursor).places) for cursor in busy] == [1, 2, 3]
    assert decode(quiet[-1]).places == {}
