"""What a server may send is bounded before it is built: values, items, nesting, heads of frames."""

from __future__ import annotations

import base64
import json
import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.pushes import ME, chat, frame_body, item, packed, shown, values
from xyfleet.worker.protocol import frames, im_calls
from xyfleet.worker.protocol.frames import MAX_SIZE, MOST_HEAD, Push, Response, TooLong
from xyfleet.worker.protocol.items import MOST_ITEMS, listed, pushed
from xyfleet.worker.protocol.payload import MOST_IN_FRAME, MOST_VALUES, Undecodable, read_json, unpack

EMPTY = b",".join([b"{}"] * (MAX_SIZE // 3 - 1000))
MANY = b"[" + EMPTY + b"]"
ONE = json.dumps(item(base64.b64encode(b"\xdc\x27\x00" + b"\xa1x" * 9984).decode())).encode()
HEADERS = b'"headers":{"mid":"1 0"}'


def push_of(data: bytes) -> bytes:
    """Return the frame of a push with these items."""
    return b'{"lwp":"/s/sync",' + HEADERS + b',"body":{"syncPushPackage":{"data":' + data + b"}}}"


def all_of(frame: bytes) -> None:
    """Have everything made of a frame that is made of any."""
    found = frames.parse(frame)
    if isinstance(found, Push):
        frames.wants_state(found)
        frames.ack(found)
        pushed(bytes(found.body), ME)
    elif isinstance(found, Response):
        frames.registration(found)
        for read in (im_calls.sent, im_calls.talks, im_calls.messages):
            read(found)  # type: ignore[operator]


HUGE = b"\xdd" + struct.pack(">I", 6_000_000) + b"\x80" * 6_000_000
NESTED = (b"\xdc\x20\x00" * 40 + b"\x80" * 8000) * 700
DEEP = b"[" * 900 + b"]" * 900


def packed_as(raw: bytes) -> bytes:
    """Return a list of one item with these bytes as its data."""
    return json.dumps([item(base64.b64encode(raw).decode())]).encode()


FRAMES: dict[str, Callable[[], bytes]] = {
    "items": lambda: push_of(MANY),
    "msgpack": lambda: push_of(packed_as(HUGE)),
    "nested msgpack": lambda: push_of(packed_as(NESTED)),
    "many payloads": lambda: push_of(b"[" + b",".join([ONE] * (MAX_SIZE // len(ONE) - 1)) + b"]"),
    "headers": lambda: b'{"lwp":"/s/sync","headers":{"mid":"1 0","x":' + MANY + b"}}",
    "lwp": lambda: b'{"lwp":' + MANY + b"," + HEADERS + b"}",
    "code": lambda: b'{"code":' + MANY + b"," + HEADERS + b"}",
    "extra type": lambda: b'{"lwp":"/s/sync",' + HEADERS + b',"body":{"syncExtraType":' + MANY + b"}}",
    "listing": lambda: b'{"code":200,' + HEADERS + b',"body":{"userConvs":' + MANY + b"}}",
    "answer": lambda: b'{"code":500,' + HEADERS + b',"ret":' + MANY + b',"body":{"reason":' + DEEP + b"}}",
}


@pytest.mark.parametrize("name", FRAMES)
def test_memory_of_a_frame(name: str) -> None:
    """A frame of 8 MiB needs a few times its own size at most, whatever it holds (B13: it took 0.9 GB)."""
    frame = FRAMES[name]()
    assert len(frame) <= MAX_SIZE
    tracemalloc.start()
    try:
        all_of(frame)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 8 * MAX_SIZE


@pytest.mark.timing
@pytest.mark.parametrize("name", FRAMES)
def test_time_of_a_frame(name: str) -> None:
    """A frame of 8 MiB holds the loop for a fraction of a second (B13: 3.2 s and more)."""
    frame = FRAMES[name]()
    began = time.process_time()
    all_of(frame)

    assert time.process_time() - began < 0.5


def test_items_beyond_the_bound() -> None:
    """The first items of a push are read; what more there is becomes one unknown item, which says that it is part."""
    found = pushed(frame_body(*[item(packed(chat(_3=f"{n}.PNM"))) for n in range(MOST_ITEMS + 5)]), ME)

    assert [each.id for each in found[:MOST_ITEMS]] == [f"{n}.PNM" for n in range(MOST_ITEMS)]
    assert [(each.kind, each.partial) for each in found[MOST_ITEMS:]] == [("unknown", True)]
    assert not any(each.partial for each in pushed(frame_body(*[item(packed(chat()))] * MOST_ITEMS), ME))


def test_values_of_all_items_together() -> None:
    """Payloads share a frame's values; one that is too large is kept undecoded and costs the others nothing (B13)."""
    large = item(base64.b64encode(msgspec.msgpack.encode([0] * MOST_VALUES)).decode())
    first, second = pushed(frame_body(large, item(packed(chat()))), ME)
    fitting = item(packed({"1": [0] * (MOST_VALUES - 100)}))
    several = pushed(frame_body(*[fitting] * 4), ME)

    assert (first.kind, first.partial, first.raw) == ("unknown", True, large["data"])
    assert second.kind == "text"
    assert [each.partial for each in several] == [False, False, True, True]
    assert MOST_IN_FRAME < 4 * MOST_VALUES


def test_texts_full_of_commas() -> None:
    """A text with more commas than values are read is one value."""
    text = "a,[{" * MOST_VALUES
    once = json.dumps({"a": text, "b": 'quote " and \\'})
    data = base64.b64encode(once.encode()).decode()

    assert unpack(data) == read_json(once) == {"a": text, "b": 'quote " and \\'}
    with pytest.raises(Undecodable):
        read_json(json.dumps([text, [0] * MOST_VALUES]))


@pytest.mark.parametrize("part", ["headers", "lwp", "code"])
def test_long_heads_are_not_read(part: str) -> None:
    """A part of the head that is longer than any real one is not read; what it would have said is shown by type."""
    long = json.dumps("x" * MOST_HEAD).encode()
    found = frames.parse({
        "headers": b'{"lwp":"/x","headers":{"mid":' + long + b"}}",
        "lwp": b'{"lwp":' + long + b"," + HEADERS + b"}",
        "code": b'{"code":' + long + b"," + HEADERS + b"}",
    }[part])  # fmt: skip

    if part == "code":
        assert isinstance(found, Response)
        assert isinstance(found.code, TooLong)
        assert not found.ok
    else:
        assert found is frames.OTHER


def test_a_long_listing() -> None:
    """Of a page more entries than were asked for twice are left out."""
    entry = {"singleChatUserConversation": {"singleChatConversation": {"cid": "1@goofish"}, "modifyTime": 1}}
    body = json.dumps({"userConvs": [entry] * 1000, "hasMore": 1, "nextCursor": 5}).encode()
    page = im_calls.talks(Response("1", 200, msgspec.Raw(body), b""))

    assert isinstance(page, im_calls.Page)
    assert (len(page.entries), page.more, page.cursor) == (im_calls.MOST_ENTRIES, True, 5)


def test_a_listed_content_is_bounded() -> None:
    """What a listed message has inside is not decoded when it is too much; the message is kept (B13)."""
    data = base64.b64encode(msgspec.msgpack.encode({"contentType": 1, "x": [0] * 5000})).decode()
    message = {"messageId": "1.PNM", "createAt": 1, "content": {"custom": {"type": 1, "data": data}}}
    found = listed({"message": message | {"extension": {"reminderContent": "在吗"}}}, "5", None, ME)

    assert found is not None
    assert shown(found)["text"] == "在吗"


def _frames() -> Iterator[st.SearchStrategy[Any]]:
    for body in (values, values.map(lambda value: {"syncPushPackage": {"data": [{"objectType": 1, "data": value}]}})):
        yield st.fixed_dictionaries({}, optional={"lwp": values, "code": values, "headers": values, "body": body})
        yield st.fixed_dictionaries(
            {"headers": st.just({"mid": "1 0"}), "body": body},
            optional={"lwp": st.just("/s/sync"), "code": values, "reason": values, "ret": values},
        )


@given(st.one_of(*_frames()))
def test_no_frame_raises(frame: dict[str, Any]) -> None:
    """Nothing that a frame may hold raises past it (B18)."""
    all_of(json.dumps(frame).encode())


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    """Bytes that are no frame are unreadable, or pushes and answers with odd insides; nothing else happens (B18)."""
    for frame in (data, b'{"code":' + data + b"," + HEADERS + b"}", push_of(b"[" + data + b"]")):
        try:
            all_of(frame)
        except frames.Unreadable:
            continue
