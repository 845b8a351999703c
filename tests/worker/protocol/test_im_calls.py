"""The frames of the three calls about messages, and whatever may answer them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.places import VECTORS_FILE
from xyfleet.worker.protocol import frames, im_calls
from xyfleet.worker.protocol.frames import Response
from xyfleet.worker.protocol.im_calls import Answer, Busy, Page, Rejected, Sent, Talk, Unclear, Uuids

FRAMES: dict[str, Any] = json.loads(VECTORS_FILE.read_text())["frames"]
ME, PEER, TALK = "2200000000001", "3300000000002", "51000000001"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["messageId", "reason", "moreInfo", "code", "userConvs", "userMessageModels", "nextCursor"])


def vector(name: str) -> Any:
    """Return a frame of the vectors."""
    return FRAMES[name]["frame"]


def response(body: object, code: object = 200) -> Response:
    """Return an answer with this body, as it comes from the wire."""
    frame = frames.parse(json.dumps({"code": code, "headers": {"mid": "1 0"}, "body": body}).encode())
    assert isinstance(frame, Response)
    return frame


def vector_response(name: str) -> Response:
    """Return an answer of the vectors."""
    frame = vector(name)
    return response(frame["body"], frame["code"])


# What goes.


@pytest.mark.parametrize(
    ("name", "lwp", "body"),
    [
        (
            "send_text_request",
            im_calls.SEND,
            im_calls.send_text("-17672256100001", TALK, PEER, ME, "在的，可以直接拍"),
        ),
        ("listNewestPagination_request", im_calls.LIST_TALKS, im_calls.list_talks(im_calls.NEWEST)),
        ("listUserMessages_request", im_calls.LIST_MESSAGES, im_calls.list_messages(TALK, im_calls.NEWEST)),
    ],
)
def test_requests_equal_the_vectors(name: str, lwp: str, body: object) -> None:
    """What goes over the wire is what the web client sends."""
    wanted = vector(name)

    assert json.loads(frames.call(lwp, wanted["headers"]["mid"], body)) == wanted


def test_ids_may_have_their_suffix() -> None:
    """`@goofish` is there once, whether it was given or not."""
    plain = im_calls.send_text("-1", TALK, PEER, ME, "x")

    assert im_calls.send_text("-1", f"{TALK}@goofish", f"{PEER}@goofish", f"{ME}@goofish", "x") == plain


@pytest.mark.parametrize(
    ("text", "sent"), [('"引号"\n\\', '"引号"\n\\'), ("half \ud83d pair", "half ? pair"), ("", "")]
)
def test_any_text_can_be_sent(text: str, sent: str) -> None:
    """Quotes and line ends are carried over; half a surrogate pair, which no UTF-8 has, costs itself alone."""
    message, _ = im_calls.send_text("-1", TALK, PEER, ME, text)
    data = base64.b64decode(message["content"]["custom"]["data"])

    assert json.loads(data) == {"contentType": 1, "text": {"text": sent}}


def test_uuids_of_one_millisecond_differ() -> None:
    """The clock may stand still, or go back: a uuid never comes twice, and has its form."""
    times = iter([1767225610.0, 1767225610.0, 1767225600.0, 1767225611.5])
    uuids = Uuids(lambda: next(times))

    assert [uuids.new() for _ in range(4)] == [
        "-17672256100001",
        "-17672256100011",
        "-17672256100021",
        "-17672256115001",
    ]


@pytest.mark.parametrize(
    ("before", "first"),
    [
        ("-17672256100001", "-17672256100011"),
        ("-17672255000001", "-17672256000001"),
        ("9f1c" * 8, "-17672256000001"),
        ("-1767225٦100001", "-17672256000001"),
        ("", "-17672256000001"),
        (None, "-17672256000001"),
    ],
)
def test_uuids_go_on_behind_an_earlier_life(before: str | None, first: str) -> None:
    """The last uuid of the outbox is followed by a later one, also when the clock was set back."""
    uuids = Uuids(lambda: 1767225600.0)
    uuids.after(before)

    assert uuids.new() == first


# What comes.


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (vector_response("send_text_response_ok"), Sent("3900000000004.PNM")),
        (vector_response("send_text_response_rejected"), Rejected("安全拦截; CSI_FORBID||安全拦截")),
        (vector_response("flow_control_response"), Busy("flow control (400600001)")),
        (response({"code": 400600001}), Busy("flow control (400600001)")),
        (response({"reason": "闲鱼走神了，请稍后再试"}), Busy("闲鱼走神了，请稍后再试")),
        (response({"reason": "System is Error"}, 500), Busy("System is Error")),
        (response({"reason": "x", "moreInfo": "system is error"}), Busy("x; system is error")),
        (response({"reason": "not auth"}, 401), Busy("the connection is not registered (401)")),
        (response({"reason": "bad body"}, 400), Rejected("bad body")),
        (response({"moreInfo": "CSI_FORBID"}), Rejected("CSI_FORBID")),
        (response({"messageId": "1.PNM"}, 500), Unclear("the answer 500 has neither a message id nor a reason")),
        (response({"messageId": ""}), Unclear("the answer 200 has neither a message id nor a reason")),
        (response(None), Unclear("the answer 200 has neither a message id nor a reason")),
        (response([1]), Unclear("the answer 200 has neither a message id nor a reason")),
    ],
)
def test_answers_to_a_send(answer: Response, meaning: object) -> None:
    """Sent, rejected for good, to be tried again, or nobody knows."""
    assert im_calls.sent(answer) == meaning


def test_conversations_equal_the_vector() -> None:
    """A conversation's id, item and time of change are read; `hasMore: 0` is the end."""
    page = im_calls.talks(vector_response("listNewestPagination_response"))

    assert page == Page([Talk(TALK, "900000000001", 1767225600123)], False, 1767225600000)


def test_messages_equal_the_vector() -> None:
    """Messages are handed on as they are."""
    answer = vector("listUserMessages_response")

    page = im_calls.messages(vector_response("listUserMessages_response"))

    assert page == Page(answer["body"]["userMessageModels"], False, 1767225600000)


def conversation(**more: Any) -> dict[str, Any]:
    """Return an entry of the list of conversations."""
    inner = {"cid": "5@goofish", "extension": {"itemId": "9"}, **more.pop("inner", {})}
    return {"singleChatUserConversation": {"modifyTime": 7, "singleChatConversation": inner, **more}}


@pytest.mark.parametrize(
    ("entry", "talks"),
    [
        (conversation(), [Talk("5", "9", 7)]),
        (conversation(modifyTime="1767225600123"), [Talk("5", "9", 1767225600123)]),
        (conversation(modifyTime=None), [Talk("5", "9", None)]),
        (conversation(modifyTime=True), [Talk("5", "9", None)]),
        (conversation(inner={"extension": None}), [Talk("5", None, 7)]),
        (conversation(inner={"extension": {"itemId": 12}}), [Talk("5", "12", 7)]),
        (conversation(inner={"extension": {"itemId": ""}}), [Talk("5", None, 7)]),
        (conversation(inner={"cid": ""}), []),
        (conversation(inner={"cid": 5}), []),
        ({"groupUserConversation": {}}, []),
        ("rubbish", []),
    ],
)
def test_conversations_of_other_forms(entry: object, talks: list[Talk]) -> None:
    """What is missing is missing, and what is no conversation is left out, alone."""
    body = {"userConvs": [entry, conversation(inner={"cid": "6"})], "hasMore": "1", "nextCursor": "5"}

    assert im_calls.talks(response(body)) == Page([*talks, Talk("6", "9", 7)], True, 5)


@pytest.mark.parametrize(
    ("body", "code", "answer"),
    [
        ({"code": "400600001"}, 200, Answer("flow control (400600001)", busy=True)),
        (None, 200, Answer("answer 200 without userConvs", busy=False)),
        ({"userConvs": {}}, 200, Answer("answer 200 without userConvs", busy=False)),
        ({"userConvs": [], "reason": "no"}, 500, Answer("answer 500 without userConvs: no", busy=False)),
    ],
)
def test_what_is_no_page(body: object, code: int, answer: Answer) -> None:
    """Flow control is told apart from an answer that makes no sense."""
    assert im_calls.talks(response(body, code)) == answer


def test_an_empty_page_is_the_last() -> None:
    """Whatever `hasMore` says."""
    assert im_calls.messages(response({"userMessageModels": [], "hasMore": 1, "nextCursor": 5})) == Page([], False, 5)


@settings(max_examples=60)
@given(st.dictionaries(KEYS, JSON, max_size=4) | JSON, st.sampled_from([200, 400, "200", 500]))
def test_no_answer_raises(body: object, code: object) -> None:
    """Whatever JSON a server answers with has a meaning."""
    answer = response(body, code)

    assert isinstance(im_calls.sent(answer), Sent | Rejected | Busy | Unclear)
    assert isinstance(im_calls.talks(answer), Page | Answer)
    assert isinstance(im_calls.messages(answer), Page | Answer)
