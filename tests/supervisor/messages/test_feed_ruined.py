"""A feed that proves ruined, or finds no room, keeps nobody from reading the messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.inboxes import store, write
from xyfleet.supervisor.messages.feed_file import FeedFile
from xyfleet.supervisor.messages.followers import MessageFeed
from xyfleet.supervisor.messages.query import Question

PAGE = 4096


def filled(folder: Path) -> str:
    """Leave an inbox, and a feed with lines for most of it; return the feed's id."""
    with store(folder, "a") as opened:
        for number in range(1, 4):
            write(opened, f"{number}.PNM")
    one = FeedFile(folder / "feed.db", folder / "inbox")
    one.grow({"a": 4})
    one.close()
    return one.id


def ruin(folder: Path, page: int) -> None:
    """Overwrite a page of the feed."""
    with (folder / "feed.db").open("r+b") as file:
        file.seek(page * PAGE)
        file.write(b"\xaa" * PAGE)


@pytest.mark.parametrize("page", range(5))
async def test_messages_are_listed_whatever_page_is_ruined(tmp_path: Path, page: int) -> None:
    """The feed is begun anew, also where its first page is good: else no start would ever heal it."""
    before = filled(tmp_path)
    ruin(tmp_path, page)
    one = MessageFeed(lambda name: tmp_path / "inbox" / f"{name}.db", tmp_path)
    found, cursor = await one.listing(["a"], Question(limit=9))
    one.feed.grow({"a": 5})

    assert len(found.lines) == 3
    assert cursor == one.feed.cursor(0) != f"{before}-0"
    assert [line.row for line in one.feed.lines(0, 9)] == [4, 5]
    one.close()


async def test_who_follows_a_ruined_feed_is_at_its_end(tmp_path: Path) -> None:
    """The numbers of the new one are others: he asks again, and is told which way to go on."""
    filled(tmp_path)
    one = MessageFeed(lambda name: tmp_path / "inbox" / f"{name}.db", tmp_path)
    with one.follow(lambda: ["a"]) as follower:
        await follower.take(0.0)
        one.feed.close()
        ruin(tmp_path, 1)
        follower.wake()
        assert await follower.take(0.0) == []
        assert follower.ended
    one.close()


async def test_messages_are_listed_though_the_feed_finds_no_room(tmp_path: Path) -> None:
    """Who follows afterwards begins with what comes then."""
    filled(tmp_path)
    (tmp_path / "feed.db").unlink()
    (tmp_path / "feed.db").mkdir()
    one = MessageFeed(lambda name: tmp_path / "inbox" / f"{name}.db", tmp_path)
    found, cursor = await one.listing(["a"], Question(limit=9))

    assert len(found.lines) == 3
    assert cursor == ""
    one.close()


async def test_who_follows_waits_for_room(tmp_path: Path) -> None:
    """A full disk ends no stream: it has beats meanwhile, and goes on where it was."""
    filled(tmp_path)
    one = MessageFeed(lambda name: tmp_path / "inbox" / f"{name}.db", tmp_path)
    with one.follow(lambda: ["a"], one.feed.cursor(0)) as follower:
        file, aside = tmp_path / "feed.db", tmp_path / "aside.db"
        file.rename(aside)
        file.mkdir()
        assert await follower.take(0.0) == []
        assert not follower.ended
        file.rmdir()
        aside.rename(file)
        pieces = await follower.take(1.0)
    one.close()

    assert [piece.cursor for piece in pieces] == [one.feed.cursor(1)]
