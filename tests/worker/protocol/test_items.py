"""Decoding: every payload and push of the vectors and of the gateway, and nothing hostile that costs a message."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.places import VECTORS_FILE
from xyfleet.supervisor.simulator import payloads
from xyfleet.supervisor.simulator.compose import CONVERSATION, ITEM, PEER, Wanted, compose
from xyfleet.supervisor.simulator.mailbox import Mailbox, Message
from xyfleet.worker.protocol.items import IncomingItem, listed, pushed
from xyfleet.worker.protocol.message import Kind, rfc3339
from xyfleet.worker.protocol.payload import MOST_DEPTH, MOST_VALUES, Undecodable, plain, read_msgpack, unpack

VECTORS: dict[str, Any] = json.loads(VECTORS_FILE.read_text("utf-8"))
FRAMES: dict[str, Any] = {name: entry["frame"] for name, entry in VECTORS["frames"].items()}
PAYLOADS: dict[str, Any] = VECTORS["payloads"]
ME: str = VECTORS["ids"]["me"]
NOW = 1767225600000

CHAT = {
    "id": "3900000000001.PNM",
    "conversation": CONVERSATION,
    "item": ITEM,
    "sender": PEER,
    "sender_name": "买家甲",
    "kind": "text",
    "text": "你好，还在吗",
    "time": 1767225600123,
    "own": False,
}
ECHO = CHAT | {
    "id": "3900000000002.PNM",
    "sender": ME,
    "sender_name": "卖家乙",
    "text": "在的",
    "time": 1767225601456,
    "own": True,
}
CARD = CHAT | {
    "id": "3900000000003.PNM",
    "sender_name": "交易消息",
    "kind": "card",
    "text": "[我已拍下，待付款]",
    "time": 1767225602000,
}


def frame_body(*items: object) -> bytes:
    """Return the body of a push of these items."""
    return json.dumps({"syncPushPackage": {"data": list(items)}}).encode()


def item(data: object, object_type: object = 40000) -> dict[str, Any]:
    """Make an item with this text as its data."""
    return {"bizType": 40, "data": data, "streamId": "40", "objectType": object_type}


def packed(payload: object) -> str:
    """Return the payload as an item's data."""
    return base64.b64encode(msgspec.msgpack.encode(payload)).decode()


def one(payload: object, object_type: object = 40000) -> IncomingItem:
    """Push one payload that must be returned."""
    (found,) = pushed(frame_body(item(packed(payload), object_type)), ME)
    return found


def none(payload: object, object_type: object = 40000) -> bool:
    """Tell whether a payload is taken for a signal."""
    return pushed(frame_body(item(packed(payload), object_type)), ME) == []


def shown(found: IncomingItem) -> dict[str, Any]:
    """Return the fields without `raw`."""
    fields = msgspec.structs.asdict(found)
    del fields["raw"]
    return fields


def chat(**head: Any) -> dict[str, Any]:
    """Return the vector's chat with some keys of `1` changed: `_7=1` is `1.7`."""
    payload: dict[str, Any] = json.loads(json.dumps(PAYLOADS["chat_text_in"]["decoded"]))
    payload["1"] |= {key[1:]: value for key, value in head.items()}
    return payload


def said(content: object, number: object = None, shown_as: str = "[卡片]") -> dict[str, Any]:
    """Return what `1.6` and `1.10` of a chat with this content are."""
    written = content if isinstance(content, str) else json.dumps(content)
    return {"_6": {"3": {"2": "", "4": number, "5": written}}, "_10": {"reminderContent": shown_as}}


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
        ({"type": "card"}, {"kind": "card", "text": "[我已拍下，待付款]", "sender_name": "交易消息"}),
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


@pytest.mark.parametrize(
    ("head", "kind", "text"),
    [
        (said({"contentType": 1, "text": {"text": "whole"}}, 1, "who…"), "text", "whole"),
        (said("{cut", 1, "shown"), "text", "shown"),
        (said("{cut", 2, "[图片]"), "image", "[图片]"),
        (said({"contentType": 2, "image": {"pics": [{"url": "u"}, {"url": "v"}]}}, 2), "image", "u"),
        (said({"contentType": 2, "image": {"pics": []}}, 2, "[图片]"), "image", "[图片]"),
        (said({"image": {"pics": [{"url": "u"}]}}, "2"), "image", "u"),
        (said({"contentType": 26, "text": {"text": "own words"}}, 26, "shown"), "card", "shown"),
        (said({"contentType": 26, "text": {"text": "own words"}}, 26, ""), "card", "own words"),
        (said({"contentType": 3, "audio": {}}, 3, "[语音]"), "card", "[语音]"),
        (said({"contentType": 1, "text": {"text": "t"}}, 1) | {"_7": 1}, "system", "t"),
        (said({"contentType": 2, "image": {"pics": [{"url": "u"}]}}, 2, "[图片]") | {"_7": 1}, "system", "[图片]"),
        (said({"contentType": 26}, 26, "card") | {"_7": 1}, "card", "card"),
        (said("", None, "notice") | {"_7": 1}, "system", "notice"),
        ({"_6": {"3": {"2": "second", "4": 1}}, "_10": {}}, "text", "second"),
        ({"_6": None}, "text", "你好，还在吗"),
        ({"_10": None}, "text", "你好，还在吗"),
        ({"_7": None}, "text", "你好，还在吗"),
        ({"_7": "1"}, "system", "你好，还在吗"),
    ],
)
def test_kind_and_text_of_a_chat(head: dict[str, Any], kind: str, text: str) -> None:
    """The content says what a chat is, `1.7` whether a person or the platform said it."""
    found = one(chat(**head))

    assert (found.kind, found.text) == (kind, text)


def test_sender_without_a_notice() -> None:
    """`1.1.1` tells the sender where `1.10.senderUserId` does not."""
    assert (one(chat(_10={})).sender, one(chat(_10={}, _1={"1": f"{ME}@goofish"})).own) == (PEER, True)


def test_ids_as_numbers() -> None:
    """Ids that come as numbers are the same texts."""
    found = one(chat(_2=51000000001, _10={"senderUserId": int(ME)}))

    assert (found.conversation, found.sender, found.own) == (CONVERSATION, ME, True)


@pytest.mark.parametrize("url", ["fleamarket://x?itemId=9&a=1", "x?a=1&itemId=9", "x?myitemId=8&itemId=9#y"])
def test_item_of_a_chat(url: str) -> None:
    """The item is in the query of the reminder's address."""
    assert one(chat(_10={"reminderUrl": url})).item == "9"


def test_chat_without_an_item() -> None:
    """An address without one, and no address at all."""
    assert one(chat(_10={"reminderUrl": "fleamarket://x?itemId=&a=1"})).item is None
    assert one(chat(_10={})).item is None


@pytest.mark.parametrize(
    ("time", "wanted"),
    [
        (1767225600123, 1767225600123),
        ("1767225600123", 1767225600123),
        (1767225600123.0, 1767225600123),
        (0, None),
        (-5, None),
        (2**63, None),
        (1e300, None),
        (True, None),
        ("soon", None),
        (None, None),
    ],
)
def test_time_of_a_chat(time: object, wanted: int | None) -> None:
    """A time that can be none is not said."""
    assert one(chat(_5=time)).time == wanted


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


# Shapes around the payload.


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"{}",
        b"[]",
        b"5",
        b"",
        b"{",
        b"\xff",
        b'{"syncPushPackage":null}',
        b'{"syncPushPackage":{}}',
        b'{"syncPushPackage":{"data":null}}',
        b'{"syncPushPackage":{"data":[]}}',
    ],
)
def test_nothing_in_a_push(body: bytes) -> None:
    """A body without items brings none."""
    assert pushed(body, ME) == []


def test_package_of_another_shape_is_kept() -> None:
    """One item that is in no list, and a package that is no object, are not dropped."""
    single = json.dumps({"syncPushPackage": {"data": item(packed(chat()))}}).encode()
    (text,) = pushed(b'{"syncPushPackage":"strange"}', ME)

    assert [shown(each) for each in pushed(single, ME)] == [CHAT]
    assert (text.kind, text.raw) == ("unknown", '"strange"')


def test_payload_that_is_not_packed() -> None:
    """An object, or its JSON, in place of the base64."""
    for data in (chat(), json.dumps(chat())):
        (found,) = pushed(frame_body(item(data)), ME)

        assert shown(found) == CHAT


def test_base64_with_line_breaks() -> None:
    """Line breaks of old encoders do no harm."""
    assert unpack(base64.encodebytes(msgspec.msgpack.encode(chat())).decode()) == chat()


@pytest.mark.parametrize(
    "model", [None, 5, [], {}, {"message": None}, {"message": {}}, {"message": {"messageId": "x" * 300}}]
)
def test_listed_without_an_id(model: object) -> None:
    """What has no id can't be told from what is there already."""
    assert listed(model, CONVERSATION, None, ME) is None


def test_listed_with_nothing_but_an_id() -> None:
    """It is a message all the same."""
    model = {"message": {"messageId": "1.PNM", "content": {"custom": {"data": "?", "type": 26}}}}
    found = listed(model, CONVERSATION, ITEM, ME)

    assert found is not None
    assert (found.id, found.kind, found.text, found.time, found.sender) == ("1.PNM", "card", "", None, None)


def test_listed_item_from_the_message_itself() -> None:
    """The reminder's address tells the item where the conversation does not; a content may be unpacked already."""
    extension = {"reminderUrl": "x?itemId=9", "reminderContent": "shown"}
    custom = {"data": {"contentType": 1, "text": {"text": "whole"}}}
    model = {"message": {"messageId": 1, "extension": extension, "content": {"custom": custom}}}
    found = listed(model, CONVERSATION, None, ME)

    assert found is not None
    assert (found.id, found.item, found.text) == ("1", "9", "whole")


def test_listed_without_bottom() -> None:
    """What is nested too deep is read, but not kept as `raw`."""
    deep: Any = {}
    for _ in range(MOST_DEPTH + 1):
        deep = {"x": deep}
    found = listed({"message": {"messageId": "1.PNM", "x": deep}}, CONVERSATION, None, ME)

    assert found is not None
    assert (found.id, found.raw) == ("1.PNM", None)


# Odd values.


def test_text_cut_in_the_middle_of_a_character() -> None:
    """It costs the character, not the message."""
    raw = msgspec.msgpack.encode(chat(_10={"reminderContent": "在吗", "senderUserId": PEER}))
    broken = raw.replace("在吗".encode(), "在".encode() + b"\xe5\x90x")
    (found,) = pushed(frame_body(item(base64.b64encode(broken).decode())), ME)

    assert (found.id, found.raw["1"]["10"]["reminderContent"]) == ("3900000000001.PNM", "在�x")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a":"\\ud83d"}', {"a": "?"}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
        (b'{"a":"\xe5\x90"}', {"a": "�"}),
        (b'{"a":NaN,"b":1e999,"c":-1e999}', {"a": "nan", "b": "inf", "c": "-inf"}),
        (b'{"a":18446744073709551615,"b":18446744073709551616}', {"a": 2**64 - 1, "b": str(2**64)}),
        (b'{"\\udc00":1}', {"?": 1}),
        (b" [1.5, true, null]", [1.5, True, None]),
        (b"{", 0x7B),
        (b"\x81\x01\xca\x7f\x80\x00\x00", {"1": "inf"}),
        (b"\x82\xc3\x01\xc0\x02", {"true": 1, "null": 2}),
        (b"\x92\xd6\xff\x00\x00\x00\x41\xc7\x01\x05\xff", [65.0, {"ext": 5, "data": "�"}]),
        (b"\xdc\x00\x01\xde\x00\x01\xd9\x01a\xc2", [{"a": False}]),
        (b"\xdd\x00\x00\x00\x01\xdf\x00\x00\x00\x01\xdb\x00\x00\x00\x01a\xda\x00\x01b", [{"a": "b"}]),
        (b"\x93\xc5\x00\x01a\xc6\x00\x00\x00\x01b\xc8\x00\x00\x01", ["a", "b", {"ext": 1, "data": ""}]),
    ],
)
def test_odd_values(raw: bytes, value: object) -> None:
    """Whatever the payload holds can be written as JSON, and is as near to what came as that allows."""
    found = unpack(base64.b64encode(raw).decode())

    assert found == value
    assert msgspec.json.decode(msgspec.json.encode(found)) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xc1",
        b"\x01\x02",
        b"\xd9\x05a",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\x91" * 70 + b"\x01",
        b"\x91" * 100_000,
        b"\xdc\xff\xff" + b"\x01" * 65535,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b'{"a":' * 100_000,
        b'{"a":[' + b",".join([b"1"] * MOST_VALUES) + b"]}",
        b'{"a":' + b"9" * 5000 + b"}",
    ],
    ids=lambda raw: f"{raw[:6]!r} {len(raw)}",
)
def test_undecodable(raw: bytes) -> None:
    """Broken, bottomless and endless payloads are kept as they came, and cost their neighbours nothing."""
    data = base64.b64encode(raw).decode()
    bad, good = pushed(frame_body(item(data), item(packed(chat()))), ME)

    assert (bad.kind, bad.raw, bad.text) == ("unknown", data, "")
    assert shown(good) == CHAT


def test_item_without_bottom() -> None:
    """An item that msgspec refuses as a whole costs only itself."""
    deep = b'{"objectType":40000,"data":' + b"[" * 500 + b"]" * 500 + b"}"
    body = b'{"syncPushPackage":{"data":[%s,%s]}}' % (deep, json.dumps(item(packed(chat()))).encode())
    bad, good = pushed(body, ME)

    assert (bad.kind, bad.raw) == ("unknown", deep.decode())
    assert shown(good) == CHAT


def test_bounds_are_wide() -> None:
    """Real payloads are far from the bounds, and a value at a bound is read."""
    assert len(plain(list(range(MOST_VALUES - 1)))) == MOST_VALUES - 1
    assert read_msgpack(b"\x91" * MOST_DEPTH + b"\x01") is not None


# Anything at all.

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
keys = st.sampled_from(["1", "2", "3", "4", "5", "6", "7", "10", "redReminder", "senderUserId", "x", "operation"])
values = st.recursive(
    leaves | st.sampled_from(["5@goofish", "1.PNM", "40000", '{"contentType":2,"image":{"pics":[{}]}}']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)
types = st.sampled_from([40000, 40006, 40101, 40102, 40103, 40104, 370000, "40000"]) | leaves


def check(found: IncomingItem) -> None:
    """What comes out fits the inbox: types, ranges, JSON and UTF-8."""
    back = msgspec.json.decode(msgspec.json.encode(found), type=IncomingItem)
    texts = (found.id, found.conversation, found.item, found.sender, found.sender_name, found.kind, found.text)

    assert back == found
    assert found.kind in get_args(Kind)
    assert 0 < len(found.id) <= 200
    assert all(text is None or isinstance(text, str) for text in texts)
    assert found.time is None or rfc3339(found.time)


@given(values, types)
def test_no_payload_breaks_the_decoder(payload: object, object_type: object) -> None:
    """A payload of any shape is a message, a signal or unknown, and its neighbour arrives."""
    *found, neighbour = pushed(frame_body(item(packed(payload), object_type), item(packed(chat()))), ME)

    assert shown(neighbour) == CHAT
    assert len(found) <= 1
    for each in found:
        check(each)


@given(st.binary(max_size=80))
def test_no_bytes_break_the_decoder(raw: bytes) -> None:
    """Any bytes as a payload, as an item and as a body."""
    text = base64.b64encode(raw).decode()
    for body in (frame_body(item(text)), frame_body(raw.decode("latin-1")), raw, b'{"syncPushPackage":%s}' % raw):
        for each in pushed(body, ME):
            check(each)


@given(values)
def test_no_model_breaks_the_listing(model: object) -> None:
    """Nor does any element of a listing."""
    for shape in (model, {"message": model}, {"message": {"messageId": "1.PNM", "extension": model, "content": model}}):
        found = listed(shape, CONVERSATION, None, ME)
        if found is not None:
            check(found)


@given(values)
def test_msgpack_is_read_like_msgspec_reads_it(value: object) -> None:
    """Where msgspec can read a payload, the result is the same."""
    raw = msgspec.msgpack.encode(value)

    assert read_msgpack(raw) == msgspec.msgpack.decode(raw)
