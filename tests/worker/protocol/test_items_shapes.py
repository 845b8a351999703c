"""Nothing hostile costs a message: strange shapes around a payload, and anything at all."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.pushes import CHAT, ME, chat, frame_body, item, leaves, packed, shown, values
from xyfleet.supervisor.simulator.compose import CONVERSATION, ITEM, PEER
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.items import listed, pushed
from xyfleet.worker.protocol.message import Kind, rfc3339
from xyfleet.worker.protocol.payload import MOST_DEPTH, MOST_VALUES

# Shapes around the payload.


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"{}",
        b"[]",
        b"",
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


# Anything at all.

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


@pytest.mark.parametrize("body", [b'["a", "b"]', b'"text"', b"7", b"{", b"\xff", b'{"syncPushPackage": 7}'])
def test_a_push_of_no_known_form_is_kept(body: bytes) -> None:
    """A change of the protocol loses nothing silently: what can't be read is an item of the kind `unknown`."""
    (found,) = pushed(body, ME)

    assert found.kind == "unknown"
    assert found.id.startswith("unknown:")


@pytest.mark.parametrize("body", [b"{}", b"null", b"[]", b'""', b'{"syncPushPackage": null}', b'{"other": 1}'])
def test_a_push_of_nothing_is_nothing(body: bytes) -> None:
    """Control pushes have no package, and are no messages."""
    assert pushed(body, ME) == []
