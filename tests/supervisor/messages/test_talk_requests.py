"""Questions to workers about conversations, with a real process at the other end of the pipes."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.postman import hire
from xyfleet.supervisor.messages.talk_requests import TalkRequests
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.ipc.messages import TalkPiece, Up
from xyfleet.worker.ipc.talks import (
    MOST_BYTES,
    PIECE,
    ListTalks,
    ReadHistory,
    RecallMessage,
    TalkAnswer,
    joined,
    pieces,
)
from xyfleet.worker.protocol.message import Message


class Office:
    """Owns one worker and hands on what it says, as the fleet does."""

    def __init__(self, folder: Path) -> None:
        self.talks = TalkRequests(patience=20.0)
        self.ended = asyncio.Event()
        self.child = hire(self, folder / "a.db")

    def heard(self, child: WorkerProcess, message: Up) -> None:
        """Hand on."""
        if isinstance(message, TalkPiece):
            self.talks.heard(child, message)

    def gone(self, child: WorkerProcess) -> None:
        """Hand on."""
        self.talks.gone(child)
        self.ended.set()


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """An office whose worker has answered once."""
    one = Office(tmp_path)
    await one.talks.ask(one.child, ListTalks(1))
    yield one
    one.child.signal(signal.SIGKILL)
    async with asyncio.timeout(10):
        await one.ended.wait()


async def test_long_answers_come_whole(office: Office) -> None:
    """Piece by piece, side by side, each to who asked."""
    long, short = await asyncio.gather(
        office.talks.ask(office.child, ReadHistory("long", 5)), office.talks.ask(office.child, ListTalks(1))
    )

    assert [one.text for one in long.messages] == ["长" * 9000]
    assert (short.state, short.messages) == ("done", [])


@pytest.mark.parametrize("what", ["silent", "garbled", "gap"])
async def test_answers_that_are_none(office: Office, what: str) -> None:
    """Of what only reads nothing is known; what changes something may have been done."""
    office.talks = TalkRequests(0.2 if what == "silent" else 20.0)
    read = await office.talks.ask(office.child, ReadHistory(what, 5))
    changed = await office.talks.ask(office.child, RecallMessage(what))

    assert (read.state, changed.state) == ("fault", "unknown")
    assert read.reason == changed.reason


async def test_a_worker_that_ends_answers_nothing_more(office: Office) -> None:
    """That is noticed at once; the next question is not even asked."""
    began = time.monotonic()
    ended = await office.talks.ask(office.child, RecallMessage("dies"))

    assert (ended.state, ended.reason) == ("unknown", "its worker ended meanwhile")
    assert (await office.talks.ask(office.child, RecallMessage("1.PNM"))).state == "offline"
    assert time.monotonic() - began < 10


async def test_an_answer_of_another_worker_is_not_ours(office: Office) -> None:
    """Nor is one that nobody waits for any more."""
    office.talks = TalkRequests(0.2)
    asking = asyncio.create_task(office.talks.ask(office.child, ReadHistory("silent", 1)))
    await asyncio.sleep(0)
    (data,) = pieces(TalkAnswer(state="done"))
    for request in (1, 2, 3):
        office.talks.heard(object(), TalkPiece(request=request, number=0, data=data, last=True))  # type: ignore[arg-type]

    assert (await asking).state == "fault"


def test_an_answer_has_a_bound() -> None:
    """The newest entries stay, and it is said that there are older ones; each piece has its room."""
    said = [Message(account="a", id=str(number), text="字" * 8000, time="2026-01-02T03:04:05Z") for number in range(60)]
    found = pieces(TalkAnswer(state="done", messages=said))
    answer = joined(b"".join(found))

    assert max(map(len, found)) == PIECE
    assert sum(map(len, found)) < MOST_BYTES + PIECE
    assert answer.more
    assert [one.id for one in answer.messages] == [str(number) for number in range(60)][-len(answer.messages) :]
    assert len(answer.messages) > 10
