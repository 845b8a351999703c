"""What catching up reads, and what it concludes."""

from __future__ import annotations

from typing import Any

import pytest

from xyfleet.worker.messaging import catchup_plan
from xyfleet.worker.messaging.catchup_plan import Round, Walk
from xyfleet.worker.protocol.im_calls import NEWEST, Page, Talk
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.message import Message, rfc3339
from xyfleet.worker.storage.schema import LOST, Row


def talk(name: str, modified: int | None) -> Talk:
    """Return a conversation of a listing."""
    return Talk(name, None, modified)


def incoming(time: int | None) -> IncomingItem:
    """Return a listed message."""
    more: dict[str, Any] = {"conversation": "c", "item": None, "sender": "p", "sender_name": None, "raw": None}
    return IncomingItem(id=f"{time}.PNM", kind="text", text="", time=time, own=False, **more)


@pytest.mark.parametrize(
    ("since", "mark", "horizon"), [(1000, None, 999), (1000, 5000, 4940), (1000, 1030, 999), (9000, 5000, 8999)]
)
def test_the_horizon(since: int, mark: int | None, horizon: int) -> None:
    """A first round reads back to `since` exactly; later ones overlap, but not beyond it."""
    assert catchup_plan.horizon(since, mark, 60) == horizon


def test_which_conversations_are_read() -> None:
    """Those changed since, but for those read to their end at that very time of change, and those that don't say."""
    talks = [talk("new", 30), talk("read", 25), talk("read, then changed", 26), talk("silent", None), talk("old", 20)]
    read = {"read": 25, "read, then changed": 25}

    assert [one.conversation for one in catchup_plan.to_read(talks, 20, read)] == [
        "new",
        "read, then changed",
        "silent",
    ]


@pytest.mark.parametrize(
    ("times", "enough"),
    [([30, 25], False), ([30, 20], True), ([5, 30], False), ([30, None], False), ([], False)],
)
def test_when_listing_ends(times: list[int | None], enough: bool) -> None:
    """The last conversation of a page tells, for an old one may be pinned to the top."""
    assert catchup_plan.listed_enough([talk("c", time) for time in times], 20) is enough


def test_news_of_a_page() -> None:
    """What is newer than the horizon is news; a message without a time is as old as the one before it."""
    fresh, last = catchup_plan.news([incoming(time) for time in (None, 30, None, 21, 20, None)], 20, 35)

    assert [one.time for one in fresh] == [35, 30, 30, 21]
    assert last == 20


def test_news_without_any_time() -> None:
    """Where nothing tells a time, everything is news."""
    fresh, last = catchup_plan.news([incoming(None)], 20, None)

    assert ([one.time for one in fresh], last) == ([None], None)


@pytest.mark.parametrize(
    ("page", "oldest", "following"),
    [
        (Page([1], True, 40), 30, 40),
        (Page([1], True, None), 30, 30),
        (Page([1], False, 40), 30, None),
        (Page([1], True, 50), 30, None),
        (Page([1], True, 60), 30, None),
        (Page([1], True, None), None, None),
    ],
)
def test_the_next_page(page: Page, oldest: int | None, following: int | None) -> None:
    """The server's cursor is followed, as long as it leads back in time."""
    assert catchup_plan.next_cursor(page, 50, oldest) == following


@pytest.mark.parametrize(
    ("time", "said", "proof"),
    [
        (500, {}, True),
        (500, {"kind": "image"}, True),
        (500, {"own": True}, False),
        (400, {}, False),
        (399, {}, False),
        (940, {}, False),
        (500, {"kind": "card"}, False),
        (500, {"kind": "system"}, False),
        (500, {"kind": "unknown"}, False),
        (500, {"sender": None}, False),
    ],
)
def test_what_proves_a_zombie(time: int, said: dict[str, Any], proof: bool) -> None:
    """M1: what somebody known said after the connection began, and that should have been pushed by now; no card."""
    fields: dict[str, Any] = {"kind": "text", "sender": "9", **said}
    message = Message(account="a0", id="1.PNM", time=rfc3339(time), **fields)

    assert catchup_plan.zombie(Row(1, "kept", None, message), now=1000, began=400, after=60) is proof


def test_what_a_lost_inbox_brings_proves_nothing() -> None:
    """It was pushed, and taken in before the inbox was lost."""
    message = Message(account="a0", id="1.PNM", time=rfc3339(500), kind="text", sender="9")

    assert not catchup_plan.zombie(Row(1, "parked", LOST, message), now=1000, began=400, after=60)


def test_a_way_down_and_up() -> None:
    """Of a long conversation the oldest turn is stored first, the newest last; of a short one the only turn."""
    walk, short = Walk(talk("a", 1)), Walk(talk("b", 1))
    ways = (300, 200, None, 100, 200)
    seen = [(walk.cursor, walk.reached_end(following), walk.go_on()) for following in ways]
    once = (short.reached_end(None), short.go_on())

    assert seen == [
        (NEWEST, False, True),
        (300, False, True),
        (200, True, True),
        (300, True, True),
        (NEWEST, True, False),
    ]
    assert once == (True, False)


@pytest.mark.parametrize(
    ("newest", "before", "mark"),
    [(None, None, None), (None, 5, 5), (50, None, 50), (50, 40, 50), (50, 60, 60), (10**15, 40, 100)],
)
def test_the_mark(newest: int | None, before: int | None, mark: int | None) -> None:
    """It goes up to the last change, not beyond the time of listing (100), and never back."""
    assert catchup_plan.mark(newest, 100, before) == mark


def test_what_was_read_to_its_end() -> None:
    """Conversations above the next horizon, but for those that changed just before listing: they may go on changing."""
    talks = [talk("settled", 50), talk("fresh", 95), talk("old", 20), talk("silent", None)]

    assert catchup_plan.settled(talks, horizon=30, listed=100, overlap=10) == {"settled": 50}


def test_a_round_collects() -> None:
    """Pages add up; a conversation that moved to another page meanwhile is read once."""
    round_ = Round(20)
    round_.take([talk("a", 50), talk("b", 40)], {})
    round_.take([talk("b", 40), talk("c", 10)], {})
    assert not round_.done
    round_.cursor = None

    assert not round_.done
    assert round_.newest == 50
    assert [(walk.talk, walk.cursor) for walk in round_.left] == [(talk("a", 50), NEWEST), (talk("b", 40), NEWEST)]
    round_.left.clear()
    assert round_.done
