"""The calls about conversations, and whatever may answer them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.places import VECTORS_FILE
from xyfleet.worker.ipc.talks import TalkAnswer, joined, pieces
from xyfleet.worker.protocol import frames, talk_calls
from xyfleet.worker.protocol.frames import Response
from xyfleet.worker.protocol.im_calls import Page, page_of
from xyfleet.worker.protocol.talk_calls import Done, NotNow, Refusal, TalkReader, Unsure

VECTORS: dict[str, Any] = json.loads((VECTORS_FILE.parent / "talks.json").read_text(encoding="utf-8"))
ME, PEER, TALK, ITEM = "2200000000001", "3300000000002", "51000000001", "900000000001"
READER = TalkReader("shop", ME)
NOW = 1767225700000
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
WORDS = """
singleChatUserConversation singleChatConversation cid pairFirst pairSecond extension itemId itemTitle extUserId
lastMessage redPoint message messageId msgStatus content custom data createAt sender
"""
NAMES = st.sampled_from(WORDS.split())
JSON = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5))


def answer(body: object, code: object = 200) -> Response:
    """Return an answer as the wire brings it."""
    frame = frames.parse(json.dumps({"code": code, "headers": {"mid": "1 0"}, "body": body}).encode())
    assert isinstance(frame, Response)
    return frame


def entries(body: object, name: str) -> list[Any]:
    """Return the entries of a page."""
    page = page_of(answer(body), name)
    assert isinstance(page, Page)
    return page.entries


def test_a_captured_list() -> None:
    """Who, about what, how many are unread, and the last words."""
    (entry,) = entries(VECTORS["talks"], "userConvs")
    talk = READER.talk(entry, NOW)

    assert talk is not None
    assert (talk.conversation, talk.peer, talk.peer_name) == (TALK, PEER, "买家甲")
    assert (talk.item, talk.item_title, talk.unread) == (ITEM, "测试商品", 1)
    assert talk.last is not None
    assert (talk.last.text, talk.last.own, talk.last.time) == ("你好", False, "2026-01-01T00:00:21.130Z")


def test_a_captured_history() -> None:
    """Text, own image, and a recalled one, of which nothing is left."""
    found = [READER.message(entry, TALK, None, NOW) for entry in entries(VECTORS["messages"], "userMessageModels")]

    assert [(one.kind, one.own, one.text) for one in found if one] == [
        ("text", False, "你好"),
        ("image", True, "https://img.alicdn.com/imgextra/i1/0/x-xy_chat.jpg"),
        ("recall", True, ""),
    ]
    assert {(one.account, one.conversation, one.item) for one in found if one} == {("shop", TALK, ITEM)}


def test_who_is_at_the_other_end() -> None:
    """The member of the pair that is not us; of the platform's talk, whom its extension names; else nobody."""

    def peer(first: str, second: str, **extension: Any) -> str | None:
        talk = {"cid": "5@goofish", "pairFirst": first, "pairSecond": second, "extension": extension}
        found = READER.talk({"singleChatUserConversation": {"singleChatConversation": talk}}, NOW)
        return None if found is None else found.peer

    assert peer(f"{PEER}@goofish", f"{ME}@goofish") == PEER
    assert peer(f"{ME}@goofish", "0@goofish", extUserId=1400) == "1400"
    assert peer(f"{ME}@goofish", "0@goofish") is None


@pytest.mark.parametrize(
    ("response", "ending"),
    [
        (answer(None), Done()),
        (answer(VECTORS["opened"]), Done()),
        (answer({"code": "400600001"}), NotNow("flow control (400600001)")),
        (answer({"reason": "晚了", "moreInfo": "x"}), Refusal("晚了; x")),
        (answer(VECTORS["opened_twice"], 500), Refusal("闲鱼走神了，您稍后再试～")),
        (answer({"reason": "unknown lwp"}, 404), Refusal("unknown lwp", True)),
        (answer(None, 404), Refusal("answer 404", True)),
        (answer(None, 500), Unsure("the answer 500 has no reason")),
        (answer({"messageId": "1"}, "200"), Unsure("the answer 200 has no reason")),
    ],
)
def test_what_an_answer_says(response: Response, ending: Any) -> None:
    """Done only where nothing says otherwise; without a word nobody knows."""
    assert talk_calls.ending(response) == ending


def test_what_was_opened() -> None:
    """The conversation's id, where there is one."""
    assert talk_calls.opened(answer(VECTORS["opened"])) == TALK
    assert talk_calls.opened(answer({"singleChatConversation": {"cid": "5" * 300}})) is None
    assert talk_calls.opened(answer([])) is None


def test_bodies() -> None:
    """As the page has them: the pair in ascending order, ids of the wire."""
    (create,) = talk_calls.create(PEER, "999", ITEM)

    assert (create["pairFirst"], create["pairSecond"]) == ("999@goofish", f"{PEER}@goofish")
    assert talk_calls.read(["1.PNM"]) == [["1.PNM"]]
    assert talk_calls.clear(TALK, "1.PNM") == [[{"cid": f"{TALK}@goofish", "messageId": "1.PNM"}]]
    assert talk_calls.recall("1.PNM", ME, "错了")[1:] == [
        "1.PNM",
        {
            "showRecallStatusSetting": 1,
            "operatorType": 0,
            "operatorUid": ME,
            "code": "200",
            "extension": {"originContentType": "1", "textContent": "错了"},
        },
    ]


@given(JSON)
def test_no_entry_raises(entry: Any) -> None:
    """Whatever a list holds; and what is read of it goes up a pipe."""
    talk, message = READER.talk(entry, NOW), READER.message(entry, TALK, None, NOW)
    found = TalkAnswer(state="done", talks=[talk] if talk else [], messages=[message] if message else [])

    assert joined(b"".join(pieces(found))) == found


@given(st.text(), st.floats() | st.integers() | st.text())
def test_no_value_of_an_entry_raises(text: str, value: object) -> None:
    """Half a character, huge numbers, other types: in all places at once."""
    message = {
        "messageId": text,
        "createAt": value,
        "content": {"custom": {"data": text, "type": value}},
        "extension": {"reminderContent": text, "reminderTitle": text, "senderUserId": value, "sessionType": value},
    }
    talk = {
        "cid": text or "5",
        "pairFirst": value,
        "pairSecond": text,
        "extension": {"itemTitle": text, "itemId": value},
    }
    shape = {"singleChatConversation": talk, "redPoint": value, "lastMessage": {"message": message, "msgStatus": value}}
    found = READER.talk({"singleChatUserConversation": shape}, NOW)

    assert found is None or msgspec.json.encode(found)
