"""A text that was cut in the middle of an emoji, escaped as JSON does it, somewhere in a frame."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.protocol import frames, im_calls
from xyfleet.worker.protocol.frames import Push, Response
from xyfleet.worker.protocol.im_calls import Page

pytestmark = pytest.mark.pythons

_ESCAPED = st.sampled_from(
    ["a", "\\", '"', "\n", "\ud83d\ude00", "\ud83d", "\ude00", "ud83d", "\\ud83d", "\\\\ud83d", "您"]
)


def answer(body: object) -> bytes:
    """Return a response with this body; half characters are escaped."""
    return json.dumps({"code": 200, "headers": {"mid": "1 0"}, "body": body}).encode()


def test_one_conversations_half_emoji_costs_no_list() -> None:
    """The server shows the beginning of what was said last in each; the others' messages are still found."""
    talks = [
        {"singleChatUserConversation": {"modifyTime": n, "singleChatConversation": {"cid": f"{n}@goofish"}, "s": said}}
        for n, said in ((2, "好的\ud83d"), (1, "ok"))
    ]
    response = frames.parse(answer({"userConvs": talks, "hasMore": 0}))
    assert isinstance(response, Response)
    page = im_calls.talks(response)

    assert isinstance(page, Page)
    assert [talk.conversation for talk in page.entries] == ["2", "1"]


def test_a_push_with_half_an_emoji_is_read() -> None:
    """Else it would never be acked, and come again and again."""
    body = {"syncPushPackage": {"data": [{"objectType": 1, "data": {"a": "\ude00"}}]}}
    push = frames.parse(json.dumps({"lwp": "/s/para", "headers": {"mid": "2 0"}, "body": body}).encode())

    assert isinstance(push, Push)
    assert frames.ack(push) is not None


@given(st.lists(_ESCAPED).map("".join))
def test_all_else_stays(text: str) -> None:
    """Whole pairs, backslashes and words that look like an escape are what they were."""
    half = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    response = frames.parse(answer({"a": text}))

    assert isinstance(response, Response)
    assert im_calls.body_of(response)["a"].replace("?", "\ufffd") == half.replace("?", "\ufffd")


@pytest.mark.parametrize("what", [rb"\ud83d", rb"\ud83d\ude00", b"\\\\", b"\\n", b"{", b"u"])
def test_a_large_one_is_mended_in_time(what: bytes) -> None:
    """A heartbeat may be late by no more than this, whatever somebody writes."""
    frame = b'{"body":"' + what * ((frames.MOST_MENDED - 20) // len(what)) + b"\\n"
    began = time.process_time()
    with pytest.raises(frames.Unreadable):
        frames.parse(frame)

    assert time.process_time() - began < 0.5
