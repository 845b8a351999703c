"""How the gateway answers calls: lists, sends, and what it can't read."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.gateway import Gateway
from support.imclient import UNB, Login, connected, dial

LIST = "/r/Conversation/listNewestPagination"
HISTORY = "/r/MessageManager/listUserMessages"
SEND = "/r/MessageSend/sendByReceiverScope"
NOW = 9007199254740991


@pytest.fixture(scope="module")
def quick_process() -> Iterator[Gateway]:
    """One that lets clients list at once."""
    with Gateway("--list-wait", "0") as running:
        yield running


@pytest.fixture
def quick(quick_process: Gateway) -> Gateway:
    """The same, as new."""
    quick_process.reset()
    return quick_process


def text_to_send(text: str = "在的", uuid: str = "-17672256100001", conversation: str = "51000000001") -> list[Any]:
    """Return the body of a send, as the vector has it."""
    said = json.dumps({"contentType": 1, "text": {"text": text}}, ensure_ascii=False)
    content = {
        "contentType": 101,
        "custom": {"type": 1, "data": base64.b64encode(said.encode()).decode()},
    }
    message = {"uuid": uuid, "cid": f"{conversation}@goofish", "conversationType": 1, "content": content}
    return [message, {"actualReceivers": ["3300000000002@goofish", f"{UNB}@goofish"]}]


async def test_get_state_and_ack_diff(gateway: Gateway) -> None:
    """The position can be read, and given back as it was."""
    async with connected(gateway) as client:
        state = await client.call("/r/SyncStatus/getState", [{"topic": "sync"}])
        done = await client.call("/r/SyncStatus/ackDiff", [state["body"]])

    assert state["body"]["topic"] == "sync"
    assert abs(state["body"]["pts"] / 1e6 - time.time()) < 60
    assert done["code"] == 200
    assert gateway.stats(UNB)["calls"] == 2


async def test_list_calls_wait_until_the_first_batch() -> None:
    """S8: right after /reg they are told to come again; when /s/vulcan has come they are answered."""
    history = ["51000000001@goofish", False, NOW, 20, False]
    with Gateway("--list-wait", "1") as slow:
        token = await Login(slow).token()
        async with dial(slow) as client:
            await client.reg(token)
            early = [await client.call(LIST, [NOW, 50]), await client.call(HISTORY, history)]
            await client.push("/s/vulcan")
            late = await client.call(LIST, [NOW, 50])

    assert [answer["body"] for answer in early] == [{"code": "400600001"}] * 2
    assert late["body"]["userConvs"] == []


async def test_listing_finds_what_was_pushed(quick: Gateway) -> None:
    """Conversations, then their messages, also those that were never delivered."""
    quick.push(UNB, "while away", deliver=False)
    async with connected(quick) as client:
        quick.push(UNB, "live")
        conversations = await client.call(LIST, [NOW, 50])
        cid = conversations["body"]["userConvs"][0]["singleChatUserConversation"]["singleChatConversation"]["cid"]
        history = await client.call(HISTORY, [cid, False, NOW, 20, False])

    data = [
        json.loads(base64.b64decode(one["message"]["content"]["custom"]["data"]))["text"]["text"]
        for one in history["body"]["userMessageModels"]
    ]
    assert data == ["live", "while away"]


async def test_flow_control_strikes_lists(quick: Gateway) -> None:
    """The fault holds list calls back at any time."""
    quick.fault(UNB, kind="flow_control", count=1)
    async with connected(quick) as client:
        assert (await client.call(LIST, [NOW, 50]))["body"] == {"code": "400600001"}
        assert (await client.call(LIST, [NOW, 50]))["body"]["userConvs"] == []


async def test_send_is_answered_echoed_and_kept(gateway: Gateway) -> None:
    """The answer has a message id, and the same message comes back as our own."""
    async with connected(gateway) as client:
        answer = await client.answer(await client.send(SEND, text_to_send("你好")))
        echo = await client.push("/s/sync")
        (kept,) = gateway.messages(UNB)

    assert answer["body"]["messageId"] == kept["id"]
    assert (kept["sender"], kept["text"]) == (UNB, "你好")
    assert len(echo["body"]["syncPushPackage"]["data"]) == 1
    assert gateway.stats(UNB)["sends"] == 1


async def test_repeated_uuid_sends_nothing(gateway: Gateway) -> None:
    """The same uuid gets the same id, and is counted."""
    async with connected(gateway) as client:
        first = await client.call(SEND, text_to_send())
        second = await client.call(SEND, text_to_send("another text"))

    assert first["body"] == second["body"]
    assert len(gateway.messages(UNB)) == 1
    assert gateway.stats(UNB)["uuid_repeats"] == 1


async def test_send_can_be_rejected_or_busy(gateway: Gateway) -> None:
    """A rejection has its reason and more; a busy server only says so."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="send_busy", count=1)
        gateway.fault(UNB, kind="send_rejected", count=1)
        rejected = await client.call(SEND, text_to_send())
        busy = await client.call(SEND, text_to_send())
        sent = await client.call(SEND, text_to_send())

    assert rejected["body"] == {"reason": "安全拦截", "moreInfo": "CSI_FORBID||安全拦截"}
    assert busy["body"] == {"reason": "闲鱼走神了"}
    assert "messageId" in sent["body"]
    assert len(gateway.messages(UNB)) == 1


async def test_send_can_be_left_unanswered(gateway: Gateway) -> None:
    """No answer, and nothing sent."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="send_silent")
        await client.send(SEND, text_to_send())

        assert await client.silent(0.2)
    assert gateway.messages(UNB) == []


async def test_zombie_beats_but_pushes_and_answers_nothing(gateway: Gateway) -> None:
    """Heartbeats are fine; getState and pushes are not."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="zombie")
        pushed = gateway.push(UNB, "never seen")
        await client.send("/r/SyncStatus/getState", [{"topic": "sync"}])

        assert await client.silent(0.2)
        assert (await client.call("/!"))["code"] == 200
    assert pushed["mids"] == []
    assert len(gateway.messages(UNB)) == 1


@pytest.mark.parametrize(
    ("lwp", "body"),
    [
        ("/r/SyncStatus/getState", None),
        ("/r/SyncStatus/getState", [{"topic": "x"}]),
        ("/r/SyncStatus/ackDiff", [{}]),
        (SEND, [{}]),
        (SEND, text_to_send(uuid="x")),
        (SEND, [{**text_to_send()[0], "content": {"custom": {"data": "%%"}}}, {"actualReceivers": []}]),
        (SEND, [{**text_to_send()[0], "content": {"custom": {"data": "AAAA"}}}, {"actualReceivers": []}]),
    ],
)
async def test_bad_bodies_are_refused(gateway: Gateway, lwp: str, body: object) -> None:
    """A call with a wrong body gets 400 and the reason, and the connection stands."""
    async with connected(gateway) as client:
        answer = await client.call(lwp, body)

        assert answer["code"] == 400
        assert answer["body"]["reason"].startswith("bad body")
        assert (await client.call("/!"))["code"] == 200


async def test_bad_list_bodies_are_refused(quick: Gateway) -> None:
    """A list call needs all its parts."""
    async with connected(quick) as client:
        assert (await client.call(LIST, [NOW]))["code"] == 400
        assert (await client.call(HISTORY, ["c"]))["code"] == 400


async def test_unknown_call_is_said_to_be_unknown(gateway: Gateway) -> None:
    """An answer with code 404 names the call."""
    async with connected(gateway) as client:
        answer = await client.call("/r/No/such")

    assert (answer["code"], answer["body"]["reason"]) == (404, "unknown lwp /r/No/such")


async def test_call_before_reg_is_refused(gateway: Gateway) -> None:
    """Nothing works without a login."""
    async with dial(gateway) as client:
        assert (await client.call(LIST, [NOW, 1]))["code"] == 401


@pytest.mark.parametrize(
    "raw",
    ["<html>", "[]", "null", '{"lwp":"/!"}', '{"lwp":"/!","headers":{}}', '{"lwp":1}', '{"headers":{"mid":5}}', "{}"],
)
async def test_unreadable_frames_are_counted_and_ignored(gateway: Gateway, raw: str) -> None:
    """No answer, no end of the connection."""
    async with connected(gateway) as client:
        await client.socket.send(raw)

        assert (await client.call("/!"))["code"] == 200
    assert gateway.stats(UNB)["bad_frames"] == 1


async def test_binary_frames_are_ignored(gateway: Gateway) -> None:
    """The protocol has text frames only."""
    async with connected(gateway) as client:
        await client.socket.send(b"\x00\x01")

        assert (await client.call("/!"))["code"] == 200


async def test_mid_with_odd_characters_comes_back_as_it_was(gateway: Gateway) -> None:
    """Whatever a client calls its request, the answer says the same."""
    async with connected(gateway) as client:
        odd = 'a"\\é漢 0'
        await client.socket.send(json.dumps({"lwp": "/!", "headers": {"mid": odd}}))

        assert (await client.receive())["headers"]["mid"] == odd


async def test_many_clients_at_once(gateway: Gateway) -> None:
    """Fifty accounts connect and beat together, each with its own figures."""
    unbs = [str(int(UNB) + number) for number in range(50)]

    async def one(unb: str) -> int:
        async with connected(gateway, unb) as client:
            await client.call("/!")
            return int((await client.call("/!"))["code"])

    assert await asyncio.gather(*map(one, unbs)) == [200] * 50
    figures = gateway.all_stats()
    assert {unb: figures[unb]["answers"] for unb in unbs} == dict.fromkeys(unbs, 2)
