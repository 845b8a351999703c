"""Requests to workers about messages, with a real process at the other end of the pipes."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.postman import hire
from support.standin import until
from xyfleet.supervisor.common.errors import NotTaken
from xyfleet.supervisor.messages.catch_up_queue import BURST, CatchUpQueue
from xyfleet.supervisor.messages.requests import ENDED, NO_ANSWER, Delivery, MessageRequests, SendRequest
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.ipc.messages import CatchUpRequest, CatchUpTurn, Redone, Send, Sent, Up

WAIT = 10.0


class Office:
    """Owns one worker and hands on what it says, as the fleet does."""

    def __init__(self, folder: Path) -> None:
        self.inbox = folder / "a.db"
        self.post = MessageRequests(first_word=0.25, redo_wait=0.25)
        self.turns = CatchUpQueue(0)
        self.ended = asyncio.Event()
        self.asked = 0
        self.child = hire(self, self.inbox)

    def heard(self, child: WorkerProcess, message: Up) -> None:
        """Hand on."""
        if isinstance(message, Sent | Redone):
            self.post.heard(child, message)
        elif isinstance(message, CatchUpRequest):
            self.asked += 1
            self.turns.ask(child)

    def gone(self, child: WorkerProcess) -> None:
        """Hand on."""
        self.post.gone(child)
        self.turns.gone(child)
        self.ended.set()

    async def send(self, text: str, wait: float = WAIT) -> Delivery:
        """Send a text."""
        return await self.post.send(
            self.child, SendRequest(account="a", conversation="57", text=text), wait, self.inbox
        )


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """An office whose worker has answered once: to start takes it longer than it may take for an answer."""
    one = Office(tmp_path)
    async with asyncio.timeout(10):
        while await one.post.redo(one.child, ["x"]) is None:
            pass
    yield one
    one.child.signal(signal.SIGKILL)
    async with asyncio.timeout(10):
        await one.ended.wait()


async def test_what_became_of_a_text_is_the_workers_last_word(office: Office) -> None:
    """Sent with the server's id, or refused by it with its reason; side by side, each gets its own answer."""
    good, bad, late = await asyncio.gather(office.send("good"), office.send("bad"), office.send("late"))

    assert good == late == Delivery(state="sent", number=7, message_id="1.PNM")
    assert bad == Delivery(state="rejected", number=7, reason="no such user")


async def test_after_the_wait_the_last_known_state_is_told(office: Office) -> None:
    """Also without any wait, the answer says whether it is in the outbox for good."""
    assert await office.send("waits", wait=0.05) == Delivery(state="queued", number=7)
    assert await office.send("waits", wait=0) == Delivery(state="queued", number=7)


async def test_a_worker_that_says_nothing_leaves_it_unknown(office: Office) -> None:
    """It may have taken the text; an answer to another request is not taken for one to this."""
    assert await office.send("silence", wait=0) == Delivery(state="unknown", reason=NO_ANSWER)
    assert await office.send("other", wait=0) == Delivery(state="unknown", reason=NO_ANSWER)


async def test_what_was_not_taken_may_be_given_again(office: Office) -> None:
    """The worker says so, and that ends the wait."""
    began = time.monotonic()
    with pytest.raises(NotTaken, match="nothing was sent: nobody is known"):
        await office.send("nobody")

    assert time.monotonic() - began < WAIT / 2


async def test_a_worker_that_ends_with_a_queued_text_leaves_it_unknown(office: Office) -> None:
    """Its end is noticed at once: nobody waits for the rest of the time."""
    began = time.monotonic()

    assert await office.send("dies queued") == Delivery(state="unknown", number=7, reason=ENDED)
    assert time.monotonic() - began < WAIT / 2


async def test_a_worker_that_ends_before_it_took_the_text(office: Office) -> None:
    """Its inbox proves it: nothing will be sent."""
    with pytest.raises(NotTaken, match="the worker of a ended meanwhile"):
        await office.send("dies")
    with pytest.raises(NotTaken, match="does not read"):
        await office.send("good")


async def test_a_worker_that_ends_after_it_took_the_text_and_before_it_said_so(office: Office) -> None:
    """The next one will send it: to say that nothing was taken would have it sent twice."""
    assert await office.send("dies taken") == Delivery(state="unknown", number=1, reason=ENDED)


async def test_a_broken_inbox_proves_nothing(office: Office) -> None:
    """So nobody is told to send it again."""
    office.inbox.write_bytes(b"rubbish" * 1000)

    assert (await office.send("dies")).state == "unknown"


async def test_dead_letters_are_counted(office: Office) -> None:
    """None when nobody answers."""
    assert await office.post.redo(office.child, ["x", "y"]) == 2
    assert await office.post.redo(office.child, ["silent"]) is None
    office.child.signal(signal.SIGKILL)
    assert await office.post.redo(office.child, ["silent"]) is None


async def test_an_answer_of_another_worker_is_not_ours(office: Office, tmp_path: Path) -> None:
    """Numbers are the supervisor's, but who answers must be who was asked."""
    asking = asyncio.create_task(office.send("silence", wait=0))
    await asyncio.sleep(0)
    office.post.heard(object(), Sent(request=1, state="sent", number=1))  # type: ignore[arg-type]

    assert (await asking).state == "unknown"


async def test_a_turn_comes_to_who_asks(office: Office) -> None:
    """The worker gets its permission, and counts it."""
    await until(lambda: office.asked)
    await asyncio.sleep(0.05)

    assert await office.post.redo(office.child, []) == 1


class Puppet:
    """Stands where a live worker does: notes when its turn came."""

    def __init__(self) -> None:
        self.turns: list[float] = []

    def send(self, message: CatchUpTurn | Send) -> bool:
        """Note."""
        self.turns.append(time.monotonic())
        return True


@pytest.mark.timing
async def test_turns_are_paced_in_the_order_of_their_coming() -> None:
    """Who asks twice gets one, who is gone none; a faster pace holds at once."""
    turns = CatchUpQueue(20.0)
    crowd = [Puppet() for _ in range(BURST + 5)]
    for one in crowd:
        turns.ask(one)  # type: ignore[arg-type]
    turns.ask(crowd[0])  # type: ignore[arg-type]
    turns.gone(crowd[-1])  # type: ignore[arg-type]
    await until(lambda: crowd[-2].turns)
    came = [turn for one in crowd for turn in one.turns]

    assert len(came) == len(crowd) - 1
    assert came == sorted(came)
    assert 0.15 < came[-1] - came[0] < 0.4

    slow = CatchUpQueue(0.001)
    crowd = [Puppet() for _ in range(BURST + 3)]
    for one in crowd:
        slow.ask(one)  # type: ignore[arg-type]
    await until(lambda: crowd[BURST - 1].turns)
    assert not crowd[BURST].turns
    slow.apply(0)
    await until(lambda: crowd[-1].turns)
