"""What the gateway answers on its socket, and how each fault spoils it: over real sockets, with another library."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.gateway import Gateway
from support.imclient import OTHER, UNB, Login, connected, device_id, dial

LIST = "/r/Conversation/listNewestPagination"
HISTORY = "/r/MessageManager/listUserMessages"
SEND = "/r/MessageSend/sendByReceiverScope"
NOW = 9007199254740991


@pytest.fixture
def gateway(fresh_gateway: Gateway) -> Gateway:
    """Use the gateway that serves the whole run."""
    return fresh_gateway


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


# Heartbeats.


async def test_beat_is_answered_with_its_mid_and_no_body(gateway: Gateway) -> None:
    """Code 200, the same mid, nothing else."""
    async with connected(gateway) as client:
        mid = await client.send("/!")
        answer = await client.receive()

    assert answer["code"] == 200
    assert answer["headers"]["mid"] == mid
    assert "body" not in answer
    assert (gateway.stats(UNB)["beats"], gateway.stats(UNB)["answers"]) == (1, 1)


async def test_beat_before_reg_is_refused(gateway: Gateway) -> None:
    """A socket without a login has no heartbeat."""
    async with dial(gateway) as client:
        answer = await client.call("/!")

    assert (answer["code"], answer["body"]["reason"]) == (401, "not auth")


async def test_mute_swallows_beats_at_once_and_pings_are_still_answered(gateway: Gateway) -> None:
    """The zombie that a library ping does not see."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="mute")
        await client.send("/!")

        assert await client.silent(0.2)
        await asyncio.wait_for(await client.socket.ping(), 2)
        gateway.clear()
        assert (await client.call("/!"))["code"] == 200
    figures = gateway.stats(UNB)
    assert (figures["beats"], figures["answers"]) == (2, 1)


async def test_mute_spares_other_accounts(gateway: Gateway) -> None:
    """A fault strikes whom it names."""
    gateway.fault(UNB, kind="mute")
    async with connected(gateway, OTHER) as client:
        assert (await client.call("/!"))["code"] == 200


async def test_mute_of_live_connections_spares_the_next_one(gateway: Gateway) -> None:
    """`connections: live` is over for whoever dials again."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="mute", connections="live")
        await client.send("/!")

        assert await client.silent(0.1)
    async with connected(gateway) as client:
        assert (await client.call("/!"))["code"] == 200


async def test_mute_of_new_connections_spares_the_present_one(gateway: Gateway) -> None:
    """`connections: new` waits for the next dial."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="mute", connections="new")

        assert (await client.call("/!"))["code"] == 200
    async with connected(gateway) as client:
        await client.send("/!")

        assert await client.silent(0.1)


async def test_count_limits_strikes(gateway: Gateway) -> None:
    """After `count` beats all is well again."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="non_200", count=2)
        codes = [(await client.call("/!"))["code"] for _ in range(3)]

    assert codes == [500, 500, 200]


async def test_wrong_mid_answers_another_beat(gateway: Gateway) -> None:
    """Code 200 with a mid that nobody sent."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="wrong_mid")
        mid = await client.send("/!")
        answer = await client.receive()

    assert answer["code"] == 200
    assert answer["headers"]["mid"].split()[0] != mid.split()[0]


async def test_other_answer_echoes_some_other_call(gateway: Gateway) -> None:
    """Instead of the beat's answer comes one to the last call, with a body."""
    async with connected(gateway) as client:
        other = await client.send("/r/SyncStatus/getState", [{"topic": "sync"}])
        await client.answer(other)
        gateway.fault(UNB, kind="other_answer")
        await client.send("/!")
        answer = await client.receive()

    assert (answer["code"], answer["headers"]["mid"]) == (200, other)
    assert "messageId" in answer["body"]


async def test_late_answers_after_its_time(gateway: Gateway) -> None:
    """The right answer, but not before `seconds`."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="late", seconds=0.3)
        start = time.monotonic()
        answer = await client.call("/!")

    assert answer["code"] == 200
    assert time.monotonic() - start >= 0.29


async def test_late_answer_to_a_client_that_left_is_dropped(gateway: Gateway) -> None:
    """The gateway does not stumble over a connection that is gone."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="late", seconds=0.2)
        await client.send("/!")
    await asyncio.sleep(0.3)

    assert gateway.process.poll() is None
    assert gateway.stats(UNB)["sockets"] == 0


async def test_answer_with_body_is_still_an_answer(gateway: Gateway) -> None:
    """The mid is right; the body does no harm."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="answer_with_body")
        answer = await client.call("/!")

    assert "body" in answer
    assert gateway.stats(UNB)["answers"] == 1


async def test_non_200_keeps_the_connection(gateway: Gateway) -> None:
    """The code is the fault's; the connection stands."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="non_200", code=403)

        assert (await client.call("/!"))["code"] == 403
        assert (await client.call("/!"))["code"] == 403


# Registration.


async def test_reg_answers_and_pushes_the_first_batch(gateway: Gateway) -> None:
    """The captured answer's fields, then /s/vulcan of type 3."""
    async with dial(gateway) as client:
        answer = await client.reg(await Login(gateway).token())
        first = await client.push("/s/vulcan")

    assert answer["headers"]["reg-uid"] == f"{UNB}@goofish"
    assert answer["headers"]["reg-sid"] == answer["headers"]["sid"] == first["headers"]["sid"]
    assert answer["body"]["unitName"] == "PNM"
    assert first["body"]["syncExtraType"] == {"type": 3}


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"token": "made-up"}, "invalid token"),
        ({"app-key": "x"}, "device id or appkey is not equal"),
        ({"did": device_id(UNB).replace("673B", "673C")}, "device id or appkey is not equal"),
        ({"did": device_id(OTHER)}, "device id or appkey is not equal"),
        ({"wv": None}, "missing header wv"),
    ],
)
async def test_reg_is_checked(gateway: Gateway, headers: dict[str, Any], reason: str) -> None:
    """A wrong token, device id or app key, and missing headers, are told apart."""
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        answer = await client.reg(headers.get("token", token), **{k: v for k, v in headers.items() if k != "token"})

    assert (answer["code"], answer["body"]["reason"]) == (401, reason)
    assert gateway.stats(UNB)["regs_ok"] == 0
    assert gateway.stats(UNB)["regs"] == 1


async def test_reg_without_a_readable_name_is_refused(gateway: Gateway) -> None:
    """Neither token nor device id say who it is: counted for nobody."""
    async with dial(gateway) as client:
        answer = await client.reg("made-up", did="x")

    assert (answer["code"], answer["body"]["reason"]) == (401, "invalid token")
    assert gateway.stats()["regs"] == 1


async def test_reg_after_a_refusal_works_on_the_same_socket(gateway: Gateway) -> None:
    """A new token can be tried at once."""
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        assert (await client.reg("sim-1"))["code"] == 401
        assert (await client.reg(token))["code"] == 200
    assert gateway.stats(UNB)["dials"] == 1


async def test_expired_token_is_refused(gateway: Gateway) -> None:
    """`token_ttl` makes short-lived tokens."""
    gateway.fault(kind="token_ttl", seconds=0.05)
    token = await Login(gateway).token()
    await asyncio.sleep(0.1)
    async with dial(gateway) as client:
        answer = await client.reg(token)

    assert (answer["code"], answer["body"]["reason"]) == (401, "invalid token")


async def test_never_reg_is_silent(gateway: Gateway) -> None:
    """No answer, and not registered."""
    gateway.fault(UNB, kind="never_reg")
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        await client.send_reg(token)

        assert await client.silent(0.2)
    figures = gateway.stats(UNB)
    assert (figures["regs"], figures["live"], figures["max_live"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("kind", "settings", "code", "reason"),
    [
        ("reg_401", {}, 401, "invalid token"),
        ("reg_401", {"reason": "not auth"}, 401, "not auth"),
        ("reg_limit", {}, 400, "connect limit"),
        ("reg_limit", {"reason": "too many", "code": 429}, 429, "too many"),
        ("reg_other", {}, 500, "system is error"),
    ],
)
async def test_reg_can_be_refused(
    gateway: Gateway, kind: str, settings: dict[str, Any], code: int, reason: str
) -> None:
    """Code and text are the fault's."""
    gateway.fault(UNB, kind=kind, **settings)
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        answer = await client.reg(token)

    assert (answer["code"], answer["body"]["reason"]) == (code, reason)


async def test_refusal_s_text_can_stand_elsewhere(gateway: Gateway) -> None:
    """In the headers, under another name."""
    gateway.fault(UNB, kind="reg_401", field="message", where="headers")
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        answer = await client.reg(token)

    assert answer["headers"]["message"] == "invalid token"


async def test_refusal_can_close(gateway: Gateway) -> None:
    """401, then a close frame."""
    gateway.fault(UNB, kind="reg_401", close=1000)
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        assert (await client.reg(token))["code"] == 401
        assert await client.closed() == 1000


async def test_reg_401_once_spares_newer_tokens(gateway: Gateway) -> None:
    """The tokens issued so far are void; a new one is good."""
    login = Login(gateway)
    old = await login.token()
    gateway.fault(UNB, kind="reg_401", once=True)
    new = await login.token()
    async with dial(gateway) as client:
        assert [(await client.reg(token))["code"] for token in (old, old, new)] == [401, 401, 200]


async def test_push_before_reg_comes_first(gateway: Gateway) -> None:
    """The push's frame arrives before the answer to /reg, and can be acked."""
    gateway.fault(UNB, kind="push_before_reg")
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        mid = await client.send_reg(token)
        push = await client.receive()
        await client.ack(push)
        answer = await client.receive()

        assert push["lwp"] == "/s/sync"
        assert answer["headers"]["mid"] == mid
        await client.call("/!")
    assert gateway.stats(UNB)["acks"] >= 1


async def test_tokens_survive_the_gateway(gateway: Gateway) -> None:
    """A token on a client's disk is good at the next gateway, too."""
    token = await Login(gateway).token()
    with Gateway() as second:
        async with connected(second, token=token) as client:
            assert (await client.call("/!"))["code"] == 200
        assert second.stats(UNB)["token_calls"] == 0


# Calls.


async def test_get_state_and_ack_diff(gateway: Gateway) -> None:
    """The position can be read, and given back as it was."""
    async with connected(gateway) as client:
        state = await client.call("/r/SyncStatus/getState", [{"topic": "sync"}])
        done = await client.call("/r/SyncStatus/ackDiff", [state["body"]])

    assert state["body"]["topic"] == "sync"
    assert abs(state["body"]["pts"] / 1e6 - time.time()) < 60
    assert done["code"] == 200
    assert gateway.stats(UNB)["calls"] == 2


async def test_list_calls_wait_after_reg(gateway: Gateway) -> None:
    """Right after /reg they are told to come again."""
    async with connected(gateway) as client:
        answers = [
            await client.call(LIST, [NOW, 50]),
            await client.call(HISTORY, ["51000000001@goofish", False, NOW, 20, False]),
        ]

    assert [answer["body"] for answer in answers] == [{"code": "400600001"}] * 2


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

    assert answer["body"] == {"messageId": kept["id"]}
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
