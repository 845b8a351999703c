"""Questions about conversations, asked on a real session with the gateway."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import msgspec
import pytest

from support.gateway import Gateway
from support.imclient import UNB
from support.maildesk import now
from support.talkdesk import BUYER, QUICK, TalkingDesk, said
from xyfleet.worker.ipc.talks import (
    ListTalks,
    MarkRead,
    OpenTalk,
    ReadHistory,
    RecallMessage,
    TalkAnswer,
)
from xyfleet.worker.messaging import talks
from xyfleet.worker.messaging.talk_line import TalkPace
from xyfleet.worker.protocol import talk_calls
from xyfleet.worker.protocol.im_calls import LIST_TALKS

CREATE = "/r/SingleChatConversation/create"


async def test_conversations_and_history(gateway: Gateway, tmp_path: Path) -> None:
    """Conversations newest first, messages oldest first, with what is known of them, and nothing is stored."""
    start = now() - 600_000
    for number in range(45):
        said(gateway, f"第{number}句", time=start + number)
    said(gateway, "别的", conversation="62", item="8002", time=start + 100, type="image", name="小王")
    async with TalkingDesk(gateway, tmp_path, since=now()) as desk:
        await desk.connect()
        listed, short = await desk.ask(ListTalks(10)), await desk.ask(ListTalks(1))
        last, whole = await desk.ask(ReadHistory("61", 25)), await desk.ask(ReadHistory("61", 200))
        none = await desk.ask(ReadHistory("no such", 20))
        assert await desk.rows() == []

    assert [(one.conversation, one.item, one.peer, one.unread) for one in listed.talks] == [
        ("62", "8002", BUYER, 1),
        ("61", "8001", BUYER, 1),
    ]
    assert [(one.last.kind, one.last.own) for one in listed.talks if one.last] == [("image", False), ("text", False)]
    assert listed.talks[0].peer_name == "小王"
    assert (listed.more, short.more, len(short.talks)) == (False, True, 1)
    assert [one.text for one in last.messages] == [f"第{number}句" for number in range(20, 45)]
    assert (last.more, whole.more, len(whole.messages)) == (True, False, 45)
    assert (none.state, none.messages) == ("done", [])


async def test_opening_a_conversation(gateway: Gateway, tmp_path: Path) -> None:
    """It is looked for first, and opened with the pair in ascending order; a talk with oneself is none."""
    for number in range(60):
        said(gateway, "旧的", conversation=f"7{number:02}", item=f"9{number:02}", time=now() - 100_000 + number)
    said(gateway, "在吗")
    async with TalkingDesk(gateway, tmp_path) as desk:
        await desk.connect()
        there = await desk.ask(OpenTalk(BUYER, "8001"))
        assert desk.calls(CREATE) == []
        assert len(desk.calls(LIST_TALKS)) == 1  # it is on the first page: no other is asked for
        fresh = await desk.ask(OpenTalk("1100000000003", "8001"))
        itself = await desk.ask(OpenTalk(UNB, "8001"))

    assert there == TalkAnswer(state="found", conversation="61")
    assert fresh.state == "done"
    assert fresh.conversation
    assert itself.state == "rejected"
    ((asked,),) = desk.calls(CREATE)
    assert (asked["pairFirst"], asked["pairSecond"]) == ("1100000000003@goofish", f"{UNB}@goofish")
    assert asked["extension"] == {"itemId": "8001", "orderId": "", "source": ""}


async def test_a_conversation_is_opened_once(gateway: Gateway, tmp_path: Path) -> None:
    """A refusal or a lost answer is followed by a look, never by a second call; its end is told."""
    async with TalkingDesk(gateway, tmp_path) as desk:
        await desk.connect()
        gateway.fault(UNB, kind="call_refused", lwp=CREATE, count=1)
        refused = await desk.ask(OpenTalk(BUYER, "8001"))
        gateway.fault(UNB, kind="call_silent", lwp=CREATE, count=1)
        lost = await desk.ask(OpenTalk(BUYER, "8002"))

        assert len(desk.calls(CREATE)) == 2
        gateway.fault(UNB, kind="call_silent", lwp=CREATE, done=True, count=1)
        opening = asyncio.create_task(desk.ask(OpenTalk(BUYER, "8003")))
        await desk.until(lambda: len(desk.calls(CREATE)) == 3, "it is asked for")
        said(gateway, "看到了", conversation="63", item="8003")  # by whoever opened it
        found = await opening

    assert (refused.state, "走神" in (refused.reason or "")) == ("rejected", True)
    assert (lost.state, lost.conversation) == ("unknown", None)
    assert found == TalkAnswer(state="found", conversation="63")


async def test_marking_as_read(gateway: Gateway, tmp_path: Path) -> None:
    """The red point goes with the last message; the others' newest messages are read, own ones are none of them."""
    ids = [said(gateway, text) for text in ("一", "二")]
    own = said(gateway, "我的", type="echo")
    async with TalkingDesk(gateway, tmp_path) as desk:
        await desk.connect()
        done = await desk.ask(MarkRead("61"))
        (talk,) = (await desk.ask(ListTalks(1))).talks
        empty = await desk.ask(MarkRead("no such"))

    assert (done.state, done.count, empty.count) == ("done", 2, 0)
    assert talk.unread == 0
    assert desk.calls(talk_calls.CLEAR) == [[[{"cid": "61@goofish", "messageId": own}]]]
    assert sorted(desk.calls(talk_calls.READ)[0][0]) == sorted(ids)


async def test_recalling_a_message(gateway: Gateway, tmp_path: Path) -> None:
    """An own message's words go along; the platform's refusal is told; another one's message is not asked about."""
    old = said(gateway, "旧的", type="echo", time=now() - 300_000)
    async with TalkingDesk(gateway, tmp_path) as desk:
        await desk.connect()
        theirs = said(gateway, "你的", deliver=True)
        queued = await desk.outbox.queue("61", "错了", BUYER)
        assert queued.letter is not None
        sent = await desk.outbox.settled(queued.letter.number)
        assert sent.message_id is not None
        while len(await desk.rows()) < 2:  # noqa: ASYNC110 (a push and an echo, which know no event)
            await asyncio.sleep(0.01)
        done = await desk.ask(RecallMessage(sent.message_id))
        ends = [await desk.ask(RecallMessage(one)) for one in (theirs, old, "no such.PNM")]
        history = await desk.ask(ReadHistory("61", 20))

    assert done == TalkAnswer(state="done")
    assert [one.state for one in ends] == ["foreign", "rejected", "rejected"]
    assert "超过可撤回时间" in (ends[1].reason or "")
    assert [(one.kind, one.text) for one in history.messages][-1] == ("recall", "")
    first = desk.calls(talk_calls.RECALL)[0]
    assert first[2]["extension"] == {"originContentType": "1", "textContent": "错了"}
    assert len(desk.calls(talk_calls.RECALL)) == 3


async def test_the_older_call_is_for_who_does_not_know_the_new_one(gateway: Gateway, tmp_path: Path) -> None:
    """Such a refusal proves that nothing was done; any other, and silence, is not asked again."""
    async with TalkingDesk(gateway, tmp_path) as desk:
        await desk.connect()
        mine = said(gateway, "我的", type="echo")
        gateway.fault(UNB, kind="call_refused", lwp=talk_calls.RECALL, code=404, reason="unknown", count=1)
        done = await desk.ask(RecallMessage(mine))
        gateway.fault(UNB, kind="call_silent", lwp=talk_calls.RECALL, count=1)
        lost = await desk.ask(RecallMessage(mine))

    assert (done.state, lost.state) == ("done", "unknown")
    assert len(desk.calls(talk_calls.OLD_RECALL)) == 1


async def test_ends_of_the_connection(gateway: Gateway, tmp_path: Path) -> None:
    """Without one it is refused at once; its end ends what was asked, and says what may have been done."""
    async with TalkingDesk(gateway, tmp_path) as desk:
        assert (await desk.ask(ListTalks(5))).state == "offline"
        await desk.connect()
        gateway.fault(UNB, kind="call_silent", lwp="*")
        asked = [asyncio.create_task(desk.ask(one)) for one in (RecallMessage("1.PNM"), ListTalks(5))]
        await desk.until(lambda: desk.calls(talk_calls.RECALL), "it is asked")
        gateway.drop(UNB)
        ends = [await one for one in asked]

    assert [one.state for one in ends] == ["unknown", "offline"]
    assert ends[0].reason == "the connection was lost before the answer came"


async def test_who_ends_the_connection_waits_for_a_change(gateway: Gateway, tmp_path: Path) -> None:
    """What is being changed is known then; what is not yet begun is not begun on this connection."""
    async with TalkingDesk(gateway, tmp_path, send_rate=2.0) as desk:
        await desk.connect()
        mine = [said(gateway, text, type="echo") for text in ("一", "二")]
        asked = [asyncio.create_task(desk.ask(RecallMessage(one))) for one in mine]
        await desk.until(lambda: desk.calls(talk_calls.RECALL), "it is asked")
        await desk.talks.rest()
        await desk.disconnect()
        ends = [(await one).state for one in asked]

    assert ends == ["done", "offline"]
    assert len(desk.calls(talk_calls.RECALL)) == 1


async def test_flow_control_and_deadline(gateway: Gateway, tmp_path: Path) -> None:
    """Lists wait and try again, a few times; a question that is not answered in its time ends."""
    async with TalkingDesk(gateway, tmp_path) as desk:
        await desk.connect()
        gateway.fault(UNB, kind="flow_control", count=2)
        assert (await desk.ask(ListTalks(5))).state == "done"
        gateway.fault(UNB, kind="flow_control")
        assert (await desk.ask(ListTalks(5))).state == "busy"
    async with TalkingDesk(gateway, tmp_path, msgspec.structs.replace(QUICK, deadline=0.1)) as desk:
        gateway.clear()
        await desk.connect()
        gateway.fault(UNB, kind="call_silent")
        assert (await desk.ask(ListTalks(5))).state == "late"
        assert (await desk.ask(RecallMessage("1.PNM"))).state == "unknown"


async def test_questions_that_wait_are_bounded(gateway: Gateway, tmp_path: Path) -> None:
    """One more than may wait is refused at once."""
    async with TalkingDesk(gateway, tmp_path) as desk:
        await desk.connect()
        found = await asyncio.gather(*(desk.ask(ListTalks(1)) for _ in range(talks.MOST_OPEN + 2)))

    assert [one.state for one in found] == ["done"] * talks.MOST_OPEN + ["crowded"] * 2


@pytest.mark.timing
async def test_pace(gateway: Gateway, tmp_path: Path) -> None:
    """What changes something goes in the pace of sends, lists in their own, and not right after the registration."""
    pace = TalkPace(list_wait=0.3, list_gap=0.1)
    async with TalkingDesk(gateway, tmp_path, pace, send_rate=5.0) as desk:
        began = asyncio.get_running_loop().time()
        await desk.connect()
        await desk.ask(ListTalks(5))
        for _ in range(2):
            await desk.ask(RecallMessage("1.PNM"))
        await desk.ask(ListTalks(5))
        times = [when for when, _, _ in desk.talked]

    assert times[0] - began >= 0.3
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert gaps[0] >= 0.2 <= gaps[1]
    assert gaps[2] >= 0.1
