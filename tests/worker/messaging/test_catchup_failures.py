"""Conversations that can't be read, one millisecond with too many messages, and what a circle leaves unseen."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from support.maildesk import Desk, now, rounds, tempo
from support.rawserver import Script, answer, raw_server, receive, registered
from xyfleet.worker.messaging.catchup_failures import Failures
from xyfleet.worker.messaging.catchup_plan import Round
from xyfleet.worker.protocol.im_calls import NEWEST, Talk
from xyfleet.worker.storage.operations import Marks


def round_of(unread: set[str], **talks: int | None) -> Round:
    """Return a round that has seen these conversations, but for some."""
    made = Round(0)
    made.take([Talk(name, None, modified) for name, modified in talks.items()], {})
    made.unread = set(unread)
    return made


def test_a_conversation_is_given_up_as_it_stands() -> None:
    """M5: after so many rounds, once said, kept for the next process, and tried anew when it changes."""
    failures = Failures(3)
    ends = []
    for modified in (5, 5, 5, 5, 6):
        round_ = round_of({"bad"}, bad=modified, good=7)
        ends.append((*failures.ended(round_), failures.hides(round_)))
    changed = round_of(set(), bad=8)
    last = failures.ended(changed)

    assert ends == [
        (Marks(), [], True),
        (Marks(), [], True),
        (Marks({"skip:bad": 5}), ["bad"], False),
        (Marks({"skip:bad": 5}), [], False),
        (Marks(), [], True),
    ]
    assert last == (Marks({}, ["skip:bad"]), [])


def test_what_was_given_up_outlives_the_process() -> None:
    """M5: it is not read again after each restart."""
    failures = Failures(3)
    failures.load({"caught_up": 9, "skip:bad": 5})
    round_ = round_of(set(), bad=5)

    assert failures.given_up == {"bad": 5}
    assert failures.ended(round_) == (Marks(), [])
    assert failures.given_up == {"bad": 5}


def test_failures_that_are_not_in_a_row() -> None:
    """A conversation that was read in between begins anew."""
    failures = Failures(2)
    for unread in ({"bad"}, set(), {"bad"}):
        failures.ended(round_of(unread, bad=5))

    assert failures.given_up == {}


def test_a_list_in_circles_holds_the_mark_for_some_rounds() -> None:
    """M4: older conversations may be behind it; but not for ever."""
    failures = Failures(3)
    seen = []
    for _ in range(4):
        round_ = round_of(set(), good=7)
        round_.circular = True
        failures.ended(round_)
        seen.append(failures.hides(round_))

    assert seen == [True, True, False, False]


class Store:
    """A server with conversations, each a list of (id, time) from old to new; its cursor is a time, and inclusive."""

    def __init__(self, talks: dict[str, list[tuple[str, int]]], page: int = 20) -> None:
        self.talks = talks
        self.page = page
        self.bad: set[str] = set()
        self.read: list[str] = []

    async def script(self, connection: ServerConnection) -> None:
        """Serve one connection."""
        await registered(connection)
        while True:
            frame = await receive(connection)
            if "listNewest" in frame.get("lwp", ""):
                await answer(connection, frame, {"userConvs": [*map(self._talk, self.talks)], "hasMore": 0})
            elif "listUser" in frame.get("lwp", ""):
                await answer(connection, frame, self._messages(frame["body"]))
            else:
                await answer(connection, frame)

    def _talk(self, name: str) -> dict[str, Any]:
        said = {"modifyTime": self.talks[name][-1][1], "singleChatConversation": {"cid": f"{name}@goofish"}}
        return {"singleChatUserConversation": said}

    def _messages(self, body: list[Any]) -> dict[str, Any]:
        name = body[0].removesuffix("@goofish")
        self.read.append(name)
        if name in self.bad:
            return {"reason": "no such conversation"}
        older = [one for one in self.talks[name] if one[1] <= body[2]][::-1]
        models = [{"message": {"messageId": id_, "createAt": time, "content": {}}} for id_, time in older[: self.page]]
        more = len(older) > self.page
        return {"userMessageModels": models, "hasMore": int(more), "nextCursor": older[self.page - 1][1] if more else 0}


def server(store: Store) -> Script:
    """Return the script of a store."""
    return store.script


async def mark_of(desk: Desk) -> int | None:
    """Return up to when all was seen."""
    return (await desk.inbox.do(Marks())).get("caught_up")


async def test_the_mark_does_not_pass_what_a_circle_hides(tmp_path: Path) -> None:
    """M4: a page's worth of messages of one millisecond is left by a step; the mark waits, the older ones are found."""
    then = now() - 1000
    many = [("older.PNM", then - 5), *((f"{number}.PNM", then) for number in range(25))]
    store = Store({"c": many})
    async with raw_server(server(store)) as endpoint, Desk(endpoint, tmp_path, since=1) as desk:
        await desk.connect()
        await rounds(desk)
        ids = {row.message.id for row in await desk.rows()}
        mark = await mark_of(desk)

    assert "older.PNM" in ids
    assert len(ids) == 21
    assert mark is None


async def test_a_conversation_that_can_never_be_read_does_not_hold_the_mark(tmp_path: Path) -> None:
    """M5: it is given up after some rounds, said once, and not read any more, by the next process neither."""
    then = now() - 1000
    store = Store({"bad": [("1.PNM", then)], "good": [("2.PNM", then - 1)]})
    store.bad = {"bad"}
    quick = tempo(again=0.01, tries=1, overlap=0.0)
    async with raw_server(server(store)) as endpoint:
        async with Desk(endpoint, tmp_path, tempo=quick, since=1) as desk:
            desk.catch_up.apply(msgspec.structs.replace(desk.mail, since=1, catch_up_every=0.02))
            await desk.connect()
            await rounds(desk, 4)
            mark = await mark_of(desk)
        before = store.read.count("bad")
        async with Desk(endpoint, tmp_path, tempo=quick, since=1) as again:
            await again.connect()
            await rounds(again)

    assert mark == then
    assert store.read.count("bad") == before == 3
    assert (tmp_path / "a0.log").read_text().count("会话始终无法读取") == 1


async def test_a_long_conversation_comes_oldest_first(tmp_path: Path) -> None:
    """More than one turn reads: the handler gets all of it in the order in which it was said."""
    then = now() - 1000
    store = Store({"c": [(f"{number}.PNM", then + number) for number in range(130)]})
    quick = tempo(pages=2)
    async with raw_server(server(store)) as endpoint, Desk(endpoint, tmp_path, tempo=quick, since=1) as desk:
        await desk.connect()
        await rounds(desk)
        ids = [row.message.id for row in await desk.rows()]

    assert ids == [f"{number}.PNM" for number in range(130)]


@pytest.mark.timing
async def test_listings_are_paced(tmp_path: Path) -> None:
    """A server that lists without an end is not called without a pause."""
    then = now() - 1000
    store = Store({"c": [(f"{number}.PNM", then + number) for number in range(100)]})
    async with (
        raw_server(server(store)) as endpoint,
        Desk(endpoint, tmp_path, tempo=tempo(call_gap=0.1), since=1) as desk,
    ):
        began = asyncio.get_running_loop().time()
        await desk.connect()
        await rounds(desk)
        took = asyncio.get_running_loop().time() - began

    assert store.read.count("c") == 6
    assert took >= 0.6
    assert then < NEWEST
