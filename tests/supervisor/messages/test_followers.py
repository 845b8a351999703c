"""Following the accounts' inboxes: what each cursor leads to."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.inboxes import NOW, store, write
from xyfleet.supervisor.messages import followers
from xyfleet.supervisor.messages.followers import MessageFeed, Piece


@contextlib.contextmanager
def hub(folder: Path, sweep: float = 1000.0) -> Iterator[MessageFeed]:
    """Give a hub."""
    one = MessageFeed(lambda name: folder / "inbox" / f"{name}.db", folder, sweep=sweep)
    try:
        yield one
    finally:
        one.close()


async def all_behind(one: MessageFeed, names: str, cursor: str) -> list[Piece]:
    """Return the messages behind a cursor, as far as there are some."""
    pieces: list[Piece] = []
    with one.follow(lambda: names, cursor) as follower:
        while taken := await follower.take(0):
            pieces += [piece for piece in taken if piece.data is not None]
            if not any(piece.data or piece.cursor for piece in taken):
                break
    return pieces


def ids(pieces: list[Piece]) -> list[str]:
    """Return account and number of each message."""
    messages = [json.loads(one.data) for one in pieces if one.data is not None]
    return [one["account"] + one["id"].removesuffix(".PNM") for one in messages]


async def put(one: MessageFeed, folder: Path, account: str, *ids: str, first: int = 0, **fields: Any) -> None:
    """Store texts, and tell of them; return when they have their lines."""
    with store(folder, account) as opened:
        for number, id_ in enumerate(ids, first):
            write(opened, f"{id_}.PNM", now=NOW + number, **fields)
    one.changed(account)
    assert one._growing is not None
    await one._growing


async def test_each_cursor_leads_to_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page after page: behind the cursor of any message come exactly the later ones."""
    monkeypatch.setattr(followers, "PAGE", 3)
    with hub(tmp_path) as one:
        begin = one.feed.cursor(0)
        for number in range(5):
            for name in "ab":
                await put(one, tmp_path, name, str(number), first=number)
        first = await all_behind(one, "ab", begin)
        rest = [ids(await all_behind(one, "ab", piece.cursor)) for piece in first]
        only_b = ids(await all_behind(one, "b", begin))

    everything = [f"{name}{number}" for number in range(5) for name in "ab"]
    assert ids(first) == everything
    assert rest == [everything[at:] for at in range(1, 11)]
    assert only_b == [each for each in everything if each[0] == "b"]


async def test_late_rows_come_late(tmp_path: Path) -> None:
    """Rows that are on disk long after their stamp says come behind what was given, whoever connects when."""
    with hub(tmp_path) as one:
        begin = one.feed.cursor(0)
        await put(one, tmp_path, "a", "0", first=60_000)
        (seen,) = await all_behind(one, "ab", begin)
        await put(one, tmp_path, "b", "1", "2")
        late = await all_behind(one, "ab", seen.cursor)

    assert ids(late) == ["b1", "b2"]


async def test_from_now_on(tmp_path: Path) -> None:
    """Without a cursor what is there is no news; the first thing that a follower gets is where he is."""
    with hub(tmp_path) as one:
        await put(one, tmp_path, "a", "old")
        with one.follow(lambda: "a") as follower:
            (where,) = await follower.take(0)
            await put(one, tmp_path, "a", "new", first=5)
            taken = await follower.take(1)

    assert (where.data, where.cursor) == (None, one.feed.cursor(1))
    assert ids(taken) == ["anew"]


async def test_a_row_that_nobody_told_of(tmp_path: Path) -> None:
    """It is found by looking."""
    with hub(tmp_path, sweep=0.05) as one, one.follow(lambda: "a") as follower:
        await follower.take(0)
        with store(tmp_path, "a") as opened:
            write(opened, "1.PNM")
        found: list[Piece] = []
        async with asyncio.timeout(5):
            while not ids(found):
                found += await follower.take(0.1)

    assert ids(found) == ["a1"]


async def test_an_unreadable_inbox_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others' messages go on, the trouble is told once, and who follows gets the rest when it can be read again."""
    monkeypatch.setattr(followers, "AGAIN", 0.05)
    path = tmp_path / "inbox" / "b.db"
    with hub(tmp_path) as one:
        begin = one.feed.cursor(0)
        await put(one, tmp_path, "b", "0")
        await put(one, tmp_path, "a", "0")
        await one.reader.ask(lambda files: files.close())
        whole = path.rename(path.with_suffix(".whole"))
        path.write_bytes(b"x" * 5000)
        with one.follow(lambda: "ab", begin) as follower:
            seen = await follower.take(0)
            again = await follower.take(0.1)
            whole.rename(path)
            mended: list[Piece] = []
            async with asyncio.timeout(5):
                while not ids(mended):
                    mended += await follower.take(0.1)

    assert ids(seen) == ["a0"]
    assert [piece.account for piece in seen if piece.trouble] == ["b"]
    assert [piece for piece in again if piece.trouble] == []
    assert ids(mended) == ["b0"]


async def test_a_forgotten_inbox_and_its_successor(tmp_path: Path) -> None:
    """A follower waits for the new one, whose rows begin at 1 again; who comes back misses nothing of it either."""
    with hub(tmp_path) as one:
        begin = one.feed.cursor(0)
        await put(one, tmp_path, "a", "0", "1", "2")
        seen = await all_behind(one, "a", begin)
        for left in list((tmp_path / "inbox").iterdir()):
            left.unlink()
        await one.forget("a")
        await put(one, tmp_path, "a", "new")
        news = await all_behind(one, "a", seen[-1].cursor)

    assert (ids(seen), ids(news)) == (["a0", "a1", "a2"], ["anew"])


async def test_over_a_restart(tmp_path: Path) -> None:
    """What was stored while no supervisor was there comes behind a cursor from before; the fleet knows the rows."""
    with hub(tmp_path) as one:
        await put(one, tmp_path, "a", "0")
        cursor = one.feed.cursor(one.feed.last)
    await asyncio.sleep(0.01)
    with store(tmp_path, "a") as opened:
        write(opened, "1.PNM", now=NOW + 5)
    with hub(tmp_path) as again:
        known = again.known_row("a")
        news = await all_behind(again, "a", cursor)

    assert known == 1
    assert ids(news) == ["a1"]
    assert again.known_row("a") == 2


async def test_long_messages_come_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page has a bound in bytes, too; a single longer message still gets through."""
    with hub(tmp_path) as one:
        begin = one.feed.cursor(0)
        await put(one, tmp_path, "a", *map(str, range(6)), text="长" * 300)
        for most, few in ((2500, 2), (1, 1)):
            monkeypatch.setattr(followers, "MOST_BYTES", most)
            seen: list[str] = []
            with one.follow(lambda: "a", begin) as follower:
                while taken := [piece for piece in await follower.take(0) if piece.data is not None]:
                    assert len(taken) <= few
                    seen += ids(taken)
            assert seen == [f"a{number}" for number in range(6)]


async def test_rows_deleted_meanwhile_are_passed_over(tmp_path: Path) -> None:
    """Retention leaves lines without a message."""
    with hub(tmp_path) as one:
        begin = one.feed.cursor(0)
        await put(one, tmp_path, "a", *map(str, range(5)))
        with store(tmp_path, "a") as opened:
            opened.db.execute("DELETE FROM messages WHERE row < 4")

        assert ids(await all_behind(one, "a", begin)) == ["a3", "a4"]
