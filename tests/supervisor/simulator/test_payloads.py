"""What the gateway sends equals the vectors, as JSON values and as decoded payloads."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from support.places import VECTORS_FILE
from xyfleet.supervisor.simulator import payloads
from xyfleet.supervisor.simulator.compose import CONVERSATION, ITEM, PEER
from xyfleet.supervisor.simulator.mailbox import Message

VECTORS: dict[str, Any] = json.loads(VECTORS_FILE.read_text())
FRAMES: dict[str, Any] = {name: entry["frame"] for name, entry in VECTORS["frames"].items()}
ME = VECTORS["ids"]["me"]
SID = "213ffe1d" + "0" * 34
NOW = 1767225600127
HEX = "0123456789abcdef0123456789abcdef"

TEXT = Message(
    id="3900000000001.PNM",
    conversation=CONVERSATION,
    sender=PEER,
    name="买家甲",
    text="你好，还在吗",
    time=1767225600123,
    item=ITEM,
    hex_id=HEX,
)
ECHO = Message(
    id="3900000000002.PNM",
    conversation=CONVERSATION,
    sender=ME,
    name="卖家乙",
    text="在的",
    time=1767225601456,
    item=ITEM,
    hex_id=HEX[::-1],
)
CARD = Message(
    id="3900000000003.PNM",
    conversation=CONVERSATION,
    sender=PEER,
    name="交易消息",
    text="[我已拍下，待付款]",
    time=1767225602000,
    item=ITEM,
    content_type=26,
    task="已拍下_未付款_卖家",
)
TYPING = payloads.typing(CONVERSATION, PEER)
ORDER = payloads.order_status("3900000000009.PNM", "等待卖家发货", 1767225605000)
RECEIPT = payloads.read_receipt(["3900000000001.PNM"], CONVERSATION, 1767225603000)
SESSION = payloads.session_arouse(CONVERSATION, PEER, ITEM, 1767225600000)


def texts(value: object) -> object:
    """Return a MessagePack value with the integer keys of its maps as texts, as the vectors write them."""
    if isinstance(value, dict):
        return {str(key): texts(inner) for key, inner in value.items()}
    return [texts(inner) for inner in value] if isinstance(value, list) else value


def inside(item: dict[str, Any]) -> object:
    """Return an item's payload, decoded."""
    raw = base64.b64decode(item["data"])
    return json.loads(raw) if raw.startswith(b"{") else texts(msgspec.msgpack.decode(raw))


def unpacked(frame: dict[str, Any]) -> dict[str, Any]:
    """Return a push with its payloads decoded; MessagePack has more than one way to write a text."""
    copy: dict[str, Any] = json.loads(json.dumps(frame))
    package = copy["body"]["syncPushPackage"]
    for item in package["data"]:
        item["data"] = inside(item) if item["data"] != "wQ==" else item["data"]
    return copy


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("chat_text_in", payloads.chat(TEXT)),
        ("chat_text_echo_own", payloads.chat(ECHO)),
        ("chat_text_in_duplicate_pnm", payloads.chat(TEXT)),
        ("system_card", payloads.chat(CARD)),
        ("read_receipt_scalar", RECEIPT),
        (
            "read_receipt_list",
            payloads.read_receipt(["3900000000001.PNM", "3900000000002.PNM"], CONVERSATION, 1767225603000),
        ),
        ("new_msg_notice", payloads.recall("3900000000001.PNM", CONVERSATION, 1767225600130)),
        ("typing", TYPING),
        ("order_status", ORDER),
        ("plain_json_session_arouse", SESSION),
    ],
)
def test_payloads_equal_the_vectors(name: str, item: dict[str, Any]) -> None:
    """Each payload decodes to the vector's value."""
    assert inside(item) == VECTORS["payloads"][name]["decoded"]


def test_plain_json_payload_equals_byte_by_byte() -> None:
    """JSON has one compact form, so here the very bytes agree."""
    assert SESSION["data"] == VECTORS["payloads"]["plain_json_session_arouse"]["base64"]


@pytest.mark.parametrize(
    ("name", "lwp", "items"),
    [
        ("push_two_items_receipt_first", "/s/sync", [RECEIPT, payloads.chat(TEXT)]),
        ("push_duplicate_same_chat_other_mid", "/s/sync", [payloads.chat(TEXT)]),
        ("push_own_echo", "/s/sync", [payloads.chat(ECHO)]),
        ("push_typing", "/s/para", [TYPING]),
        ("push_order_status", "/s/sync", [ORDER]),
        ("push_bad_item_then_good", "/s/sync", [payloads.raw_item(40000, b"\xc1"), payloads.chat(TEXT)]),
        ("push_vulcan_ready", "/s/vulcan", [SESSION]),
        ("push_too_long", "/s/vulcan", []),
    ],
)
def test_pushes_equal_the_vectors(name: str, lwp: str, items: list[dict[str, Any]]) -> None:
    """Each push equals the vector's frame; only its three times are the gateway's own."""
    wanted = unpacked(FRAMES[name])
    package = wanted["body"]["syncPushPackage"]
    frame = unpacked(payloads.push(lwp, wanted["headers"]["mid"], SID, items, NOW))
    package["minCreateTime"] = NOW
    package["maxPts"] = package["maxPts"] and NOW * 1000
    package["endSeq"] = len(items)

    assert frame == wanted


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (payloads.answer("5481767225600000 0", SID), "heartbeat_response"),
        (payloads.refused("7011767225600001 0", 401, "invalid token"), "reg_response_401"),
        (payloads.refused("7011767225600001 0", 401, "device id or appkey is not equal"), "reg_response_401_device"),
        (payloads.refused("7011767225600001 0", 400, "connect limit"), "reg_response_limit"),
        (payloads.control("/push/kickout", "control-1", "s1"), "push_kickout"),
        (payloads.control("/s/session/remove", "control-2", "s1"), "push_session_remove"),
    ],
)
def test_answers_equal_the_vectors(frame: dict[str, Any], name: str) -> None:
    """Answers and control pushes equal the vectors as JSON values."""
    wanted = json.loads(json.dumps(FRAMES[name]))
    if name == "heartbeat_response":
        wanted["headers"]["sid"] = SID

    assert frame == wanted


def test_good_registration_equals_the_vector() -> None:
    """Every header and field of the captured answer is there."""
    wanted = FRAMES["reg_response_ok"]

    assert payloads.registered("7011767225600001 0", wanted["headers"]["sid"], ME, 1767225600049) == wanted


def test_sync_state_equals_the_vector() -> None:
    """The answer to getState has the vector's keys; its position is now."""
    wanted = FRAMES["getState_response"]["body"]

    assert payloads.sync_state(1767225601000) == {**wanted, "pts": 1767225601000000}


@pytest.mark.parametrize("name", ["send_text_response_ok", "send_text_response_rejected", "flow_control_response"])
def test_call_answers_equal_the_vectors(name: str) -> None:
    """An answer is a code, the request's mid and the body; the `sid` beside it is allowed by the protocol."""
    wanted = FRAMES[name]
    frame = payloads.answer(wanted["headers"]["mid"], SID, body=wanted["body"])

    assert frame["headers"].pop("sid") == SID
    assert frame == wanted


@pytest.mark.parametrize("field", ["reason", "message", "msg", "ret"])
@pytest.mark.parametrize("where", ["body", "headers"])
def test_reason_can_stand_anywhere(field: str, where: str) -> None:
    """The reason is found where it was asked for."""
    frame = payloads.refused("1 0", 401, "not auth", field, where)

    assert frame[where][field] in ("not auth", ["not auth"])
    assert frame["headers"]["mid"] == "1 0"


def test_recall_and_delete_have_their_types() -> None:
    """Whatever their payload, their object types are those of the protocol."""
    assert payloads.recall("1.PNM", "5", 1)["objectType"] == 40104
    assert payloads.delete("1.PNM", "5", 1)["objectType"] == 40101


def test_image_shows_a_placeholder() -> None:
    """An image's reminder says [图片]; its content has the picture."""
    image = Message(
        id="1.PNM", conversation="5", sender=PEER, name="n", text="http://u", time=1, item=ITEM, content_type=2
    )
    payload = payloads.chat_payload(image)

    assert payload[1][10]["reminderContent"] == "[图片]"
    assert json.loads(payload[1][6][3][5])["image"]["pics"][0]["url"] == "http://u"
