"""Sending: every answer, every way to get none, restarts and rates, against the built-in gateway."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection

from support.gateway import Gateway
from support.imclient import UNB
from support.jobs import Job
from support.maildesk import Desk, Tap
from support.rawserver import raw_server, registered, serve_on
from support.station import read_log
from xyfleet.worker.protocol import im_calls
from xyfleet.worker.storage.results import OutgoingMessage

TALK, PEER = "51000000009", "3300000000009"


@pytest.fixture
def gateway(fresh_gateway: Gateway) -> Iterator[Gateway]:
    """Give the run's gateway, as new."""
    yield fresh_gateway
    fresh_gateway.reset()


async def queued(desk: Desk, text: str = "在的") -> OutgoingMessage:
    """Put a text into the outbox."""
    letter = (await desk.outbox.queue(TALK, text, PEER)).letter
    assert letter is not None
    return letter


async def send(desk: Desk, text: str = "在的") -> OutgoingMessage:
    """Send a text and return what became of it."""
    letter = await queued(desk, text)
    async with asyncio.timeout(5):
        return await desk.outbox.settled(letter.number)


def said(gateway: Gateway) -> list[str]:
    """Return the texts that the gateway took, in their order."""
    return [one["text"] for one in gateway.messages(UNB)]


async def test_a_text_is_sent(gateway: Gateway, tmp_path: Path) -> None:
    """The server's id is on record, and the log tells of the sending but not of the text."""
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        letter = await send(desk, "仅此一句")
        again = await desk.outbox.settled(letter.number)

    taken = gateway.messages(UNB)[-1]
    assert (letter.state, letter.message_id, letter.attempt) == ("sent", taken["id"], 1)
    assert (taken["text"], taken["conversation"]) == ("仅此一句", TALK)
    assert again == letter
    log = (tmp_path / "a0.log").read_text()
    assert "消息已发送" in log
    assert "仅此一句" not in log


async def test_the_receiver_is_who_wrote_last(gateway: Gateway, tmp_path: Path) -> None:
    """Without a receiver the text goes to the buyer of that conversation; where nobody has written, it is not taken."""
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        gateway.push(UNB, items=[{"text": "在吗", "conversation": "77", "peer": "66"}])
        await desk.until(lambda: desk.inbox.counts.stored, "the message is stored")
        nobody = (await desk.outbox.queue("78", "在的", None)).letter
        letter = (await desk.outbox.queue("77", "在的", None)).letter
        assert letter is not None
        await desk.outbox.settled(letter.number)

        assert nobody is None
        assert letter.receiver == "66"
        assert desk.calls(im_calls.SEND)[0][1] == {"actualReceivers": ["66@goofish", f"{UNB}@goofish"]}


async def test_rejected_is_final(gateway: Gateway, tmp_path: Path) -> None:
    """The server's reason is kept; there is no second try, and the next letter goes out."""
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        fault = gateway.fault(UNB, kind="send_rejected")
        letter = await send(desk)
        gateway.clear(fault)
        after = await send(desk)

        assert (letter.state, letter.reason) == ("rejected", "安全拦截; CSI_FORBID||安全拦截")
        assert after.state == "sent"
        assert len(desk.uuids) == 2


@pytest.mark.parametrize("reason", ["闲鱼走神了，再试一次", "System is error"])
async def test_try_again_is_tried_again(gateway: Gateway, tmp_path: Path, reason: str) -> None:
    """The same uuid goes out again until it is taken, and those behind it wait."""
    async with Desk(gateway, tmp_path, retries=(0.05,) * 40) as desk:
        await desk.connect()
        fault = gateway.fault(UNB, kind="send_busy", reason=reason)
        first, second = await queued(desk, "一"), await queued(desk, "二")
        await desk.until(lambda: len(desk.uuids) == 2, "the second try")
        gateway.clear(fault)
        async with asyncio.timeout(5):
            ends = [await desk.outbox.settled(one.number) for one in (first, second)]

        tries = len(desk.uuids) - 1
        assert tries >= 3
        assert [(end.state, end.attempt) for end in ends] == [("sent", tries), ("sent", 1)]
        assert [desk.uuids.count(one) for one in sorted(set(desk.uuids))] == [tries, 1]
        assert said(gateway) == ["一", "二"]
        assert gateway.stats(UNB)["uuid_repeats"] == 0


async def test_too_many_tries_fail(gateway: Gateway, tmp_path: Path) -> None:
    """After the last retry the letter has failed, with the server's words."""
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        gateway.fault(UNB, kind="send_busy")
        began = time.monotonic()
        letter = await send(desk)

        assert (letter.state, letter.attempt, letter.reason) == ("failed", 4, "闲鱼走神了")
        assert time.monotonic() - began >= 0.14
        assert len(desk.uuids) == 4


async def test_no_answer_is_unknown(gateway: Gateway, tmp_path: Path) -> None:
    """Nobody knows whether it arrived: it is not sent again, also not on the next connection."""
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        fault = gateway.fault(UNB, kind="send_silent")
        letter = await send(desk)
        gateway.clear(fault)
        await desk.disconnect()
        await desk.connect()
        after = await send(desk, "后来")

        assert (letter.state, letter.reason) == ("unknown", "no answer came in time")
        assert (after.state, said(gateway), len(desk.uuids)) == ("sent", ["后来"], 2)


async def test_a_lost_connection_is_unknown(gateway: Gateway, tmp_path: Path) -> None:
    """A letter whose frame was written when the connection ended is unknown; one that was queued goes out later."""
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        fault = gateway.fault(UNB, kind="send_silent")
        first, second = await queued(desk, "一"), await queued(desk, "二")
        await desk.until(lambda: desk.uuids, "the frame is written")
        gateway.clear(fault)
        gateway.drop(UNB)
        await desk.over()
        lost = await desk.outbox.settled(first.number)
        await desk.connect()
        sent = await desk.outbox.settled(second.number)

        assert (lost.state, lost.reason) == ("unknown", "the connection was lost before the answer came")
        assert (sent.state, said(gateway), len(desk.uuids)) == ("sent", ["二"], 2)


async def test_an_echo_proves_it_sent(gateway: Gateway, tmp_path: Path) -> None:
    """An own echo that comes while the answer does not settles the letter as sent."""
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        gateway.fault(UNB, kind="send_silent")
        letter = await queued(desk)
        await desk.until(lambda: desk.uuids, "the frame is written")
        echo = gateway.push(UNB, items=[{"type": "echo", "text": "在的", "conversation": TALK, "peer": PEER}])
        end = await desk.outbox.settled(letter.number)

        assert (end.state, end.message_id) == ("sent", echo["ids"][0])


async def test_an_echo_while_it_waits_for_another_try(gateway: Gateway, tmp_path: Path) -> None:
    """A letter that the server put off, and took all the same, is not sent again, and who waits is told."""
    async with Desk(gateway, tmp_path, retries=(0.2,)) as desk:
        await desk.connect()
        fault = gateway.fault(UNB, kind="send_busy")
        letter = await queued(desk)
        waiting = asyncio.create_task(desk.outbox.settled(letter.number))
        await desk.until(lambda: read_log(tmp_path, "消息暂未发送，稍后重试"), "it is put off")
        gateway.clear(fault)
        echo = gateway.push(UNB, items=[{"type": "echo", "text": "在的", "conversation": TALK, "peer": PEER}])
        async with asyncio.timeout(5):
            end = await waiting
        after = await send(desk, "后来")

        assert (end.state, end.message_id) == ("sent", echo["ids"][0])
        assert (after.state, len(desk.uuids)) == ("sent", 2)


async def test_without_a_connection_it_waits(gateway: Gateway, tmp_path: Path) -> None:
    """What is queued while nothing is connected is sent after the next connect, in its order."""
    async with Desk(gateway, tmp_path) as desk:
        letters = [await queued(desk, text) for text in "一二三"]
        await asyncio.sleep(0.05)
        assert desk.inbox.counts.unsent == 3
        await desk.connect()
        ends = [await desk.outbox.settled(one.number) for one in letters]

        assert [end.state for end in ends] == ["sent"] * 3
        assert said(gateway) == ["一", "二", "三"]


async def test_a_closed_line_loses_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """A line that is over before anybody says so takes no frame: the letter stays queued and is sent by the next."""
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        line = desk.session
        assert line is not None
        await desk.disconnect()
        desk.outbox.connected(Tap(line, desk.asked))
        letter = await queued(desk)
        await desk.until(lambda: desk.uuids, "it was tried")
        await asyncio.sleep(0.05)
        assert desk.inbox.counts.unsent == 1
        await desk.connect()

        assert (await desk.outbox.settled(letter.number)).state == "sent"
        assert said(gateway) == ["在的"]


async def test_after_a_crash(gateway: Gateway, tmp_path: Path) -> None:
    """A letter that was on its way is unknown and stays so; those that were queued are sent once."""
    async with Desk(gateway, tmp_path) as desk:
        letters = [await queued(desk, text) for text in "一二三"]
        await desk.inbox.do(Job(lambda store: store.sending(letters[0].number, "-17672256100001", 0)))
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        ends = [await desk.outbox.settled(one.number) for one in letters]

    assert [end.state for end in ends] == ["unknown", "sent", "sent"]
    assert said(gateway) == ["二", "三"]
    assert gateway.stats(UNB)["uuid_repeats"] == 0
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        await send(desk, "四")

    assert said(gateway) == ["二", "三", "四"]


async def test_uuids_never_repeat(gateway: Gateway, tmp_path: Path) -> None:
    """Nor when the clock stands still, nor after a restart with the clock set back."""
    seen: list[str] = []
    for wall in (1767225610.0, 1767225610.0, 1767225600.0):
        async with Desk(gateway, tmp_path, wall=lambda now=wall: now) as desk:  # type: ignore[misc]
            await desk.connect()
            assert [(await send(desk)).state for _ in range(2)] == ["sent"] * 2
            seen += desk.uuids

    assert seen == [f"-{1767225610000 + number}1" for number in range(6)]
    assert gateway.stats(UNB)["uuid_repeats"] == 0


async def test_send_rate(gateway: Gateway, tmp_path: Path) -> None:
    """Messages keep their distance; without a rate they don't."""
    async with Desk(gateway, tmp_path, send_rate=10.0) as desk:
        await desk.connect()
        for letter in [await queued(desk) for _ in range(4)]:
            await desk.outbox.settled(letter.number)
        times = [at for at, lwp, _ in desk.asked if lwp == im_calls.SEND]
        desk.outbox.apply(desk.mail)
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]

    assert len(gaps) == 3
    assert min(gaps) >= 0.099


async def test_nothing_goes_out_that_is_not_on_record(gateway: Gateway, tmp_path: Path) -> None:
    """While the disk does not take that a letter is about to go, it does not go."""
    async with Desk(gateway, tmp_path, send_rate=5.0) as desk:
        await desk.connect()
        first, second = await queued(desk, "一"), await queued(desk, "二")
        await desk.outbox.settled(first.number)
        await asyncio.sleep(0.05)  # the second one is found, and waits for its moment
        with contextlib.closing(sqlite3.connect(tmp_path / "inbox" / "a0.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(0.3)
            meanwhile = said(gateway)
        async with asyncio.timeout(5):
            end = await desk.outbox.settled(second.number)

        assert meanwhile == ["一"]
        assert (end.state, said(gateway)) == ("sent", ["一", "二"])


async def test_another_rate_counts_at_once(gateway: Gateway, tmp_path: Path) -> None:
    """A wait for a slow rate ends when there is no limit any more, and when the connection ends."""
    async with Desk(gateway, tmp_path, send_rate=0.01) as desk:
        await desk.connect()
        first, second = await queued(desk), await queued(desk)
        await desk.outbox.settled(first.number)
        await desk.disconnect()
        await desk.connect()
        await asyncio.sleep(0.05)
        assert desk.inbox.counts.unsent == 1
        desk.outbox.apply(type(desk.mail)(file=desk.mail.file, send_rate=0.0))

        assert (await desk.outbox.settled(second.number)).state == "sent"


async def test_rest_leaves_nothing_on_its_way(gateway: Gateway, tmp_path: Path) -> None:
    """Before a polite end the answer of what is on its way is waited for, and nothing else is sent."""
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        letters = [await queued(desk, text) for text in "一二三"]
        await desk.until(lambda: desk.uuids, "the first one is on its way")
        await desk.outbox.rest()
        went = len(desk.uuids)
        await asyncio.sleep(0.05)
        states = await desk.inbox.do(Job(lambda store: [store.letter(one.number) for one in letters]))

        assert len(desk.uuids) == went
        assert [one.state for one in states if one is not None] == ["sent"] * went + ["queued"] * (3 - went)


async def test_nobody_to_receive(gateway: Gateway, tmp_path: Path) -> None:
    """A letter without a receiver is rejected with a reason, and holds nobody up."""
    async with Desk(gateway, tmp_path) as desk:
        letter = await queued(desk)
        await desk.inbox.do(Job(lambda store: store.db.execute("UPDATE outbox SET receiver = NULL").close()))
        await desk.connect()
        end = await desk.outbox.settled(letter.number)

        assert (end.state, end.reason) == ("rejected", "it is not known who is to receive it")
        assert (await send(desk)).state == "sent"


async def test_no_such_letter(gateway: Gateway, tmp_path: Path) -> None:
    """Waiting for a letter that is not there says so."""
    async with Desk(gateway, tmp_path) as desk:
        with pytest.raises(LookupError, match="no letter 7 in the outbox"):
            await desk.outbox.settled(7)


async def test_nothing_to_send_opens_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """Without an inbox file none is made by connecting."""
    async with Desk(gateway, tmp_path) as desk:
        await desk.connect()
        await asyncio.sleep(0.05)

        assert not desk.inbox.exists()


async def test_an_answer_that_says_nothing_is_unknown(tmp_path: Path) -> None:
    """Neither an id nor a reason: whether it arrived is not known."""

    async def script(connection: ServerConnection) -> None:
        await registered(connection)
        await serve_on(connection)

    async with raw_server(script) as endpoint, Desk(endpoint, tmp_path) as desk:
        await desk.connect()
        letter = await send(desk)

        assert (letter.state, letter.attempt) == ("unknown", 1)
        assert letter.reason == "the answer 200 has neither a message id nor a reason"
