"""Letters that come too late, were never written, or met a connection that is not registered any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.gateway import Gateway
from support.imclient import UNB
from support.maildesk import RULES, Desk, Tap
from support.stores import incoming
from xyfleet.worker.connection.rpc import NeverWritten
from xyfleet.worker.messaging.sender import TOO_LATE
from xyfleet.worker.protocol import im_calls
from xyfleet.worker.protocol.frames import Response
from xyfleet.worker.storage.operations import Add, Begin, Finish, Letters
from xyfleet.worker.storage.results import LetterPart


@pytest.fixture
def gateway(fresh_gateway: Gateway) -> Iterator[Gateway]:
    """Give the run's gateway, as new."""
    yield fresh_gateway
    fresh_gateway.reset()


async def reply(desk: Desk, text: str = "在的", **fields: Any) -> int:
    """Have a handler's reply in the outbox; return its number."""
    (row,) = (await desk.inbox.do(Add([incoming("1.PNM", time=None, **fields)], False, RULES))).rows
    await desk.inbox.do(Begin(row.row, 0))
    number = (await desk.inbox.do(Finish(row.row, [LetterPart(text)], text))).number
    assert number is not None
    desk.outbox.wake()
    return number


@pytest.mark.parametrize(("age", "state"), [(0.0, "sent"), (700.0, "failed")])
async def test_a_reply_has_a_best_before(gateway: Gateway, tmp_path: Path, age: float, state: str) -> None:
    """M7: one that could not be sent for so long is not sent any more, and says why; a younger one goes out."""
    async with Desk(gateway, tmp_path, wall=lambda: time.time() + age) as desk:
        number = await reply(desk)
        await desk.connect()
        letter = await desk.outbox.settled(number)

    assert (letter.state, letter.reason) == (state, TOO_LATE if age else None)
    assert gateway.stats(UNB)["sends"] == (1 if state == "sent" else 0)


async def test_goods_do_not_spoil(gateway: Gateway, tmp_path: Path) -> None:
    """A reply to an order goes out whenever there is a connection: `reply_max_age` is for talk."""
    async with Desk(gateway, tmp_path, wall=lambda: time.time() + 700) as desk:
        number = await reply(desk, "KEY-1", kind="card", order="5100000000000000001", order_status="paid")
        await desk.connect()
        letter = await desk.outbox.settled(number)

    assert (letter.state, letter.reason) == ("sent", None)


async def test_what_a_person_gave_does_not_spoil(gateway: Gateway, tmp_path: Path) -> None:
    """M7: a text that was not a reply is sent whenever there is a connection."""
    async with Desk(gateway, tmp_path, wall=lambda: time.time() + 700) as desk:
        queued = await desk.outbox.queue("c1", "在的", "9")
        await desk.connect()
        assert queued.letter is not None
        letter = await desk.outbox.settled(queued.letter.number)

    assert letter.state == "sent"


class Unwritten(Tap):
    """A line whose connection ends while the frame waits behind others."""

    async def ask(self, lwp: str, body: object) -> Response:
        """Let some rounds of the loop pass, as a socket does that takes nothing."""
        if lwp != im_calls.SEND:
            return await super().ask(lwp, body)
        await asyncio.sleep(0.01)
        raise NeverWritten


async def test_what_was_never_written_is_sent_later(gateway: Gateway, tmp_path: Path) -> None:
    """M12: it goes back into the queue, however long it waited to be written, and out on the next connection."""
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        assert desk.session is not None
        desk.outbox.connected(Unwritten(desk.session, desk.asked))
        queued = await desk.outbox.queue("c1", "在的", "9")
        assert queued.letter is not None
        waiting = queued.letter
        async with asyncio.timeout(5):
            while (waiting.state, waiting.attempt) != ("queued", 1):
                (waiting,) = await desk.inbox.do(Letters([1]))
        await desk.disconnect()
        await desk.connect()
        letter = await desk.outbox.settled(1)

    assert letter.state == "sent"


async def test_a_letter_that_met_401_waits_for_the_next_connection(gateway: Gateway, tmp_path: Path) -> None:
    """M6: nothing was taken, the connection ends, and it goes out on the next one."""
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        gateway.fault(UNB, kind="call_401")
        queued = await desk.outbox.queue("c1", "在的", "9")
        assert queued.letter is not None
        await desk.over()
        (waiting,) = await desk.inbox.do(Letters([1]))
        gateway.clear()
        await desk.connect()
        letter = await desk.outbox.settled(1)

    assert waiting.state == "queued"
    assert letter.state == "sent"
