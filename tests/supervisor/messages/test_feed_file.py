"""The fleet's feed: one line for each message, numbered for good, and completed from the inboxes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from support.inboxes import NOW, store, write
from xyfleet.supervisor.messages import feed_file
from xyfleet.supervisor.messages.feed_file import BadCursor, FeedFile, Gone


def feed(folder: Path) -> FeedFile:
    """Open the feed of a state folder."""
    return FeedFile(folder / "feed.db", folder / "inbox")


def rows(one: FeedFile, after: int = 0) -> list[tuple[str, int]]:
    """Return what has lines."""
    return [(line.unb, line.row) for line in one.lines(after, 10_000)]


def fill(folder: Path, account: str, *, first: int = 1, last: int, start: int = NOW, step: int = 1) -> None:
    """Write rows into an inbox, one each `step` ms."""
    with store(folder, account) as opened:
        for number in range(first, last + 1):
            write(opened, f"{number}.PNM", now=start + number * step)


def test_lines_are_in_the_order_in_which_rows_were_told_of(tmp_path: Path) -> None:
    """Each row once, also when it is told of again, numbered over the fleet; only the owner may read the file."""
    one = feed(tmp_path)
    one.grow({"a": 2})
    one.grow({"b": 1, "a": 3})
    one.grow({"a": 3, "b": 1})
    numbers = [line.seq for line in one.lines(0, 100)]
    one.close()

    assert rows(one) == [("a", 1), ("a", 2), ("b", 1), ("a", 3)]
    assert numbers == [1, 2, 3, 4]
    assert one.heads == {"a": 3, "b": 1}
    assert stat.S_IMODE((tmp_path / "feed.db").stat().st_mode) == 0o600
    one.close()


def test_what_was_there_before_the_feed_has_no_lines(tmp_path: Path) -> None:
    """A fleet of an older version: its messages are found by listing, new ones follow."""
    fill(tmp_path, "a", last=5)
    one = feed(tmp_path)
    one.grow({"a": 6})

    assert rows(one) == [("a", 6)]
    one.close()


def test_it_is_completed_from_the_inboxes(tmp_path: Path) -> None:
    """Rows that nobody told of, for the supervisor had ended, get their lines at the next start, by time."""
    one = feed(tmp_path)
    one.grow({"a": 1})
    one.close()
    fill(tmp_path, "a", last=3, step=10)
    fill(tmp_path, "b", last=2, start=NOW + 15, step=10)
    (tmp_path / "inbox" / "c.db").write_bytes(b"x" * 5000)
    (tmp_path / "inbox" / "d.db").mkdir()
    again = feed(tmp_path)

    assert rows(again) == [("a", 1), ("a", 2), ("b", 1), ("a", 3), ("b", 2)]
    again.close()


def test_cursors(tmp_path: Path) -> None:
    """One stands for a line for good; of another feed, or from before what is kept, it is gone."""
    one = feed(tmp_path)
    one.grow({"a": 3})
    texts = [one.cursor(seq) for seq in range(5)]
    one.close()
    again = feed(tmp_path)

    assert [again.place(text) for text in texts[:4]] == [0, 1, 2, 3]
    for text in (texts[4], "0123456789ab-1", "AQAAAZt8qY58lws0UA"):
        with pytest.raises(Gone):
            again.place(text)
    for text in ("", "zz", f"{again.id}-", f"{again.id}-x"):
        with pytest.raises(BadCursor):
            again.place(text)
    again.close()


def test_only_so_many_lines_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor behind which some are missing is gone; numbers go on."""
    monkeypatch.setattr(feed_file, "MOST", 3)
    one = feed(tmp_path)
    for row in range(1, 7):
        one.grow({"a": row})

    assert rows(one) == [("a", 4), ("a", 5), ("a", 6)]
    assert one.place(one.cursor(3)) == 3
    with pytest.raises(Gone):
        one.place(one.cursor(2))
    one.close()


def test_a_ruined_feed_is_begun_anew(tmp_path: Path) -> None:
    """It holds nothing that can't be made again; its cursors are of another one then."""
    fill(tmp_path, "a", last=2)
    one = feed(tmp_path)
    cursor = one.cursor(0)
    one.close()
    (tmp_path / "feed.db").write_bytes(b"x" * 5000)
    again = feed(tmp_path)
    again.grow({"a": 3})

    assert rows(again) == [("a", 3)]
    with pytest.raises(Gone):
        again.place(cursor)
    again.close()


def test_a_forgotten_user_has_no_lines(tmp_path: Path) -> None:
    """The next inbox of his begins at 1 again."""
    one = feed(tmp_path)
    one.grow({"a": 2, "b": 1})
    one.forget("a")
    one.grow({"a": 1})

    assert rows(one) == [("b", 1), ("a", 1)]
    assert one.heads == {"a": 1, "b": 1}
    one.close()
