"""Decoding: every payload and push of the vectors and of the gateway, and what each is."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from support.pushes import CHAT, ME, PAYLOADS, VECTORS, chat, frame_body, item, one, packed, shown
from xyfleet.supervisor.simulator import payloads
from xyfleet.supervisor.simulator.compose import CONVERSATION, ITEM, PEER, Wanted, compose
from xyfleet.supervisor.simulator.mailbox import Mailbox, Message
from xyfleet.worker.protocol.items import listed, pushed
from xyfleet.worker.protocol.payload import Undecodable, read_msgpack, unpack

FRAMES: dict[str, Any] = {name: entry["frame"] for name, entry in VECTORS["frames"].items()}
NOW = 1767225600000
ECHO = CHAT | {
    "id": "3900000000002.PNM",
    "sender": ME,
    "sender_name": "卖家乙",
    "text": "在的",
    "time": 1767225601456,
    "own": True,
}


def none(payload: object, object_type: object = 40000) -> bool:
    """Tell whether a payload is taken for a signal."""
    return pushed(frame_body(item(packed(payload), object_type)), ME) == []


# The vectors.


@pytest.mark.parametrize("name", sorted(PAYLOADS))
def test_payloads_of_the_vectors(name: str) -> None:
    """Each payload decodes to the vector's value, also without its padding."""
    data = PAYLOADS[name]["base64"]

    assert unpack(data) == PAYLOADS[name]["decoded"]
    assert unpack(data.rstrip("=")) == PAYLOADS[name]["decoded"]
    assert unpack(data.replace("+", "-").replace("/", "_")) == PAYLOADS[name]["decoded"]


@pytest.mark.parametrize("edge", VECTORS["msgpack_edges"], ids=lambda edge: edge["hex"])
def test_edges_of_the_vectors(edge: dict[str, Any]) -> None:
    """Numbers of every width, what is no MessagePack, and bytes that are no text."""
    raw = bytes.fromhex(edge["hex"])
    if edge.get("error"):
        with pytest.raises(Undecodable):
            read_msgpack(raw)
    else:
        assert read_msgpack(raw) == ("��" if isinstance(edge["value"], str) else edge["value"])


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("push_two_items_receipt_first", ["receipt", CHAT]),
        ("push_duplicate_same_chat_other_mid", [CHAT]),
        ("push_own_echo", [ECHO]),
        ("push_typing", []),
        ("push_order_status", ["order"]),
        ("push_bad_item_then_good", ["unknown", CHAT]),
        ("push_vulcan_ready", []),
        ("push_too_long", []),
        ("push_kickout", []),
        ("push_session_remove", []),
        ("push_with_code_zero", [CHAT]),
    ],
)
def test_pushes_of_the_vectors(name: str, wanted: list[Any]) -> None:
    """All items of each push, in order; what came first never hides what came second."""
    found = pushed(json.dumps(FRAMES[name].get("body")).encode(), ME)

    assert [each.kind if isinstance(want, str) else shown(each) for each, want in zip(found, wanted, strict=True)] == (
        wanted
    )


def test_every_push_of_the_vectors_is_tested() -> None:
    """No push of the vectors is left out above, but the one that is no push."""
    parameters = test_pushes_of_the_vectors.pytestmark[0].args[1]
    names = {name for name in FRAMES if name.startswith("push_")} - {"push_without_headers"}

    assert {name for name, _ in parameters} == names


def test_order_of_the_vectors() -> None:
    """An order's notice is known by its shape: its object type is that of a chat message."""
    found = one(PAYLOADS["order_status"]["decoded"], 40000)

    assert (found.kind, found.text, found.time) == ("order", "等待卖家发货", 1767225605000)
    assert found.id.startswith("order:")
    assert found.raw == PAYLOADS["order_status"]["decoded"]


@pytest.mark.parametrize("name", ["read_receipt_scalar", "read_receipt_list"])
@pytest.mark.parametrize("object_type", [40102, 40103, 40000, None])
def test_receipts_of_the_vectors(name: str, object_type: object) -> None:
    """Receipts of one message and of several, whatever their object type says."""
    found = one(PAYLOADS[name]["decoded"], object_type)

    assert shown(found) == {
        "id": found.id,
        "conversation": CONVERSATION,
        "item": None,
        "sender": None,
        "sender_name": None,
        "kind": "receipt",
        "text": "",
        "time": 1767225603000,
        "own": False,
    }
    assert found.id.startswith("receipt:")


def test_listing_of_the_vectors() -> None:
    """A listed message is the same value as the pushed one."""
    (model,) = FRAMES["listUserMessages_response"]["body"]["userMessageModels"]
    found = listed(model, f"{CONVERSATION}@goofish", ITEM, ME)

    assert found is not None
    assert shown(found) == CHAT
    assert found.raw == model


def test_raw_is_the_payload() -> None:
    """Nothing of a chat's payload is lost."""
    assert one(PAYLOADS["chat_text_in"]["decoded"]).raw == PAYLOADS["chat_text_in"]["decoded"]


# The gateway.


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        ({"type": "text"}, {"kind": "text", "text": "你好", "sender": PEER, "sender_name": "买家甲", "item": ITEM}),
        ({"type": "image", "text": "https://p/1.jpg"}, {"kind": "image", "text": "https://p/1.jpg"}),
        ({"type": "card"}, {"kind": "card", "text": "[我已拍下，待付款]", "sender_name": None}),
        ({"type": "echo", "text": "在"}, {"kind": "text", "own": True, "sender": ME, "text": "在"}),
        ({"type": "receipt"}, {"kind": "receipt", "conversation": CONVERSATION, "time": NOW}),
        ({"type": "receipt", "ids": ["1.PNM", "2.PNM"]}, {"kind": "receipt", "time": NOW}),
        ({"type": "recall"}, {"kind": "recall", "conversation": CONVERSATION, "time": NOW}),
        ({"type": "delete"}, {"kind": "recall", "conversation": CONVERSATION, "time": NOW}),
        ({"type": "order", "text": "交易关闭"}, {"kind": "order", "text": "交易关闭", "time": NOW}),
        ({"type": "json", "payload": {"x": 1}}, {"kind": "unknown", "raw": {"x": 1}}),
        ({"type": "msgpack", "payload": [1]}, {"kind": "unknown", "raw": [1]}),
        ({"type": "bad"}, {"kind": "unknown", "raw": "wQ=="}),
    ],
    ids=str,
)
def test_what_the_gateway_pushes(wanted: dict[str, Any], fields: dict[str, Any]) -> None:
    """Every type of item is its kind of message."""
    composed = compose(msgspec.convert(wanted, Wanted), ME, "7.PNM", NOW)
    (found,) = pushed(frame_body(composed.item), ME)

    assert {name: getattr(found, name) for name in fields} == fields
    assert found.id == "7.PNM" or found.id.startswith(f"{found.kind}:")


@pytest.mark.parametrize("type_", ["typing", "session"])
def test_signals_are_no_messages(type_: Any) -> None:
    """Typing and sessions are left out."""
    assert pushed(frame_body(compose(Wanted(type=type_), ME, "7.PNM", NOW).item), ME) == []


@pytest.mark.parametrize("type_", ["text", "image", "card", "echo"])
def test_listed_and_pushed_agree(type_: Any) -> None:
    """A message that is found by listing is the one that would have been pushed."""
    composed = compose(Wanted(type=type_, text="https://p/1.jpg"), ME, "7.PNM", NOW)
    assert composed.message is not None
    box = Mailbox()
    box.add(composed.message, PEER)
    (model,) = box.history(CONVERSATION, NOW + 1, 20)["userMessageModels"]
    (push,) = pushed(frame_body(composed.item), ME)
    found = listed(model, CONVERSATION, ITEM, ME)

    assert found is not None
    assert shown(found) == shown(push)


def test_thirty_two_items_with_bad_ones_between() -> None:
    """Every good item arrives in its order; every bad one is kept beside them."""
    usual: dict[str, Any] = {"conversation": "5", "sender": PEER, "name": "n", "text": "m", "item": ITEM}
    good = [payloads.chat(Message(id=f"{n}.PNM", time=NOW + n, **usual)) for n in range(20)]
    bad: list[Any] = [
        payloads.raw_item(40000, b"\xc1"),
        payloads.raw_item(40000, b"\x82\x01"),
        payloads.raw_item(40000, b""),
        payloads.raw_item(40000, b"{broken"),
        item("no base64!"),
        item("A"),
        item(None),
        item(17),
        "text",
        [],
        None,
        {},
    ]
    mixed = [each for pair in zip(good, bad, strict=False) for each in pair]
    found = pushed(frame_body(*mixed, *good[len(bad) :]), ME)

    assert len(found) == 32
    assert [each.id for each in found if each.kind == "text"] == [f"{n}.PNM" for n in range(20)]
    assert {each.kind for each in found[1:24:2]} == {"unknown"}


# Kinds.


def test_chat_without_an_id() -> None:
    """It is kept under a digest, like what has no id of its own; so is one with an id as long as a novel."""
    assert one(chat(_3=None)).id.startswith("text:")
    assert one(chat(_3="9" * 300)).id.startswith("text:")
    assert one(chat(_3=5)).id == "5"


@pytest.mark.parametrize("object_type", [40006, 40102, 370000, 99999, None, "x", True])
def test_object_type_of_a_chat_can_lie(object_type: object) -> None:
    """A chat is one by its shape."""
    assert shown(one(chat(), object_type)) == CHAT


@pytest.mark.parametrize("object_type", [40101, 40104, "40104"])
def test_recall_that_repeats_the_message(object_type: object) -> None:
    """Nobody answers what was taken back, and its message is not taken for it."""
    found = one(chat(), object_type)

    assert (found.kind, found.conversation, found.sender) == ("recall", CONVERSATION, PEER)
    assert found.id.startswith("recall:")


def test_recall_of_a_strange_shape() -> None:
    """A recall is known by its number; what it does not say is left open."""
    found = one({"a": 1}, 40104)

    assert (found.kind, found.conversation, found.time, found.raw) == ("recall", None, None, {"a": 1})


def test_receipt_of_a_strange_shape() -> None:
    """So is a receipt."""
    found = one({"1": "x", "4": 7}, 40103)

    assert (found.kind, found.conversation, found.time) == ("receipt", None, None)


@pytest.mark.parametrize(
    ("payload", "object_type"),
    [
        (PAYLOADS["typing"]["decoded"], 40000),
        ({"new": "shape"}, 40006),
        ({"1": "x"}, 40006),
        (PAYLOADS["new_msg_notice"]["decoded"], 40000),
        (PAYLOADS["plain_json_session_arouse"]["decoded"], 40000),
        ({"sessionInfo": {}}, 370000),
        ({"operation": {"content": {"contentType": 8}}}, 370000),
    ],
)
def test_signals(payload: object, object_type: int) -> None:
    """Typing, sessions and notices are known by number or by shape."""
    assert none(payload, object_type)


@pytest.mark.parametrize(
    ("payload", "object_type"),
    [
        (PAYLOADS["new_msg_notice"]["decoded"], 40199),
        ({"1": "5@goofish", "2": 1}, 40000),
        ({"1": []}, 40000),
        ({"1": [{}, 5]}, 40000),
        ({"1": {}}, 40000),
        ({"1": {"10": {}}}, 40000),
        ({"3": {"redReminder": 5}}, 40000),
        ({"operation": {"content": {"contentType": 1}}}, 370000),
        ({}, 40000),
        ([], 40000),
        (5, 40000),
        (None, 40000),
        ("text", 40000),
    ],
)
def test_unknown_is_kept(payload: object, object_type: int) -> None:
    """What is like nothing known is returned with all it holds."""
    found = one(payload, object_type)

    assert (found.kind, found.raw) == ("unknown", payload)
    assert found.id.startswith("unknown:")


def test_made_ids_tell_items_apart_and_know_them_again() -> None:
    """Two items have two ids; one that comes twice has one, and its kind is in it."""
    assert one({"a": 1}).id == one({"a": 1}).id
    assert one({"a": 1}).id != one({"a": 2}).id
    assert one({"a": 1}, 40104).id.split(":")[1] == one({"a": 1}).id.split(":")[1]
