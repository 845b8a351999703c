"""The frames: every one of the vectors recognised or produced, and nothing hostile that breaks them."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.places import VECTORS_FILE
from xyfleet.worker.protocol import frames
from xyfleet.worker.protocol.frames import Other, Push, Registration, Response, Unreadable
from xyfleet.worker.protocol.mids import Mids

VECTORS: dict[str, Any] = json.loads(VECTORS_FILE.read_text("utf-8"))
FRAMES: dict[str, Any] = {name: entry["frame"] for name, entry in VECTORS["frames"].items()}
INCOMING = {name for name, entry in VECTORS["frames"].items() if entry["dir"] == "in"}
PUSHES = {name for name in INCOMING if name.startswith("push_")} - {"push_without_headers"}
RESPONSES = INCOMING - PUSHES - {"push_without_headers"}


def wire(frame: object) -> bytes:
    """Return the frame as its bytes on the wire."""
    return json.dumps(frame, ensure_ascii=False).encode()


def parse_push(frame: object) -> Push:
    """Parse a frame that must be a push."""
    push = frames.parse(wire(frame))
    assert isinstance(push, Push)
    return push


def parse_response(frame: object) -> Response:
    """Parse a frame that must be a response."""
    response = frames.parse(wire(frame))
    assert isinstance(response, Response)
    return response


@pytest.mark.parametrize("name", sorted(PUSHES))
def test_pushes_of_the_vectors(name: str) -> None:
    """Each push is one, also with `code` 0 beside it, and keeps its headers and its body as they came."""
    push = parse_push(FRAMES[name])

    assert push.lwp == FRAMES[name]["lwp"]
    assert push.headers == FRAMES[name]["headers"]
    assert json.loads(bytes(push.body)) == FRAMES[name].get("body")


@pytest.mark.parametrize("name", sorted(RESPONSES))
def test_responses_of_the_vectors(name: str) -> None:
    """Each response names the request it answers, its code and its body."""
    response = parse_response(FRAMES[name])

    assert response.key == FRAMES[name]["headers"]["mid"].split(" ")[0]
    assert response.code == FRAMES[name]["code"]
    assert response.ok == (FRAMES[name]["code"] == 200)
    assert json.loads(bytes(response.body)) == FRAMES[name].get("body")


@pytest.mark.parametrize(
    "frame",
    [
        FRAMES["push_without_headers"],
        {"lwp": "/!", "headers": None},
        {"lwp": "/!", "headers": "text"},
        {"lwp": 5, "headers": {"mid": "1 0"}, "code": 200},
        {"headers": {"mid": "1 0"}},
        {"code": 200},
        {"code": 200, "headers": {}},
        {"code": 200, "headers": {"mid": 7}},
        {},
        [],
        None,
        "text",
        5,
    ],
)
def test_anything_else_is_ignored(frame: object) -> None:
    """What is neither push nor response is told apart, and is no error."""
    assert isinstance(frames.parse(wire(frame)), Other)


@pytest.mark.parametrize("raw", [b"", b"hello", b'{"lwp":', b"\xff\xfe\x00", b'{"a":' * 20000, b'{"lwp":"\xff"}'])
def test_garbage_is_unreadable(raw: bytes) -> None:
    """What is not JSON raises, and the error does not carry the frame's text."""
    with pytest.raises(Unreadable, match=r"^frame of \d+ bytes is not JSON$"):
        frames.parse(raw)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_parser(raw: bytes) -> None:
    """Any bytes at all are a push, a response, something else or unreadable."""
    try:
        frame = frames.parse(raw)
    except Unreadable:
        return
    assert isinstance(frame, (Push, Response, Other))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(st.sampled_from(["lwp", "code", "headers", "body", "x"]), json_values)
headers = st.dictionaries(st.sampled_from(["mid", "sid", "ua", "dt", "app-key", "message", "ret"]), json_values)


@given(objects, headers)
def test_no_shape_breaks_what_is_done_with_a_frame(frame: dict[str, Any], head: dict[str, Any]) -> None:
    """A frame of any shape can be classed, acked and asked for its meaning."""
    parsed = frames.parse(wire(frame | {"headers": head}))
    if isinstance(parsed, Push):
        frames.wants_state(parsed)
        frames.ack(parsed)
    elif isinstance(parsed, Response):
        frames.registration(parsed)


def test_heartbeat_request() -> None:
    """A beat is the one of the vectors."""
    expected = FRAMES["heartbeat_request"]

    assert json.loads(frames.heartbeat(expected["headers"]["mid"])) == expected


def test_reg_request() -> None:
    """F1: the registration is the one of the vectors, its `ua` made of the browser's user agent."""
    expected = FRAMES["reg_request"]
    head = expected["headers"]

    assert (
        json.loads(frames.reg(head["token"], head["ua"].partition(" DingTalk")[0], head["did"], head["mid"]))
        == expected
    )


@pytest.mark.parametrize(
    "name",
    [
        "getState_request",
        "ackDiff_request",
        "send_text_request",
        "listNewestPagination_request",
        "listUserMessages_request",
    ],
)
def test_calls(name: str) -> None:
    """Every request with a body is produced equal."""
    expected = FRAMES[name]

    assert json.loads(frames.call(expected["lwp"], expected["headers"]["mid"], expected["body"])) == expected


def test_ack_diff_repeats_the_state_as_it_came() -> None:
    """The body of getState's answer goes back in ackDiff without being decoded."""
    state = parse_response(FRAMES["getState_response"])
    expected = FRAMES["ackDiff_request"]

    assert json.loads(frames.call(frames.ACK_DIFF, expected["headers"]["mid"], [state.body])) == expected
    asked = FRAMES["getState_request"]
    assert json.loads(frames.call(frames.GET_STATE, asked["headers"]["mid"], frames.STATE_TOPIC)) == asked


@pytest.mark.parametrize("name", ["expected_ack_full_copy", "expected_ack_seed_style"])
def test_acks_of_the_vectors(name: str) -> None:
    """An ack copies mid, sid, app-key and ua."""
    push = parse_push(FRAMES[VECTORS["frames"][name]["for"]])

    assert json.loads(frames.ack(push) or b"") == FRAMES[name]


def test_ack_copies_dt_and_nothing_else() -> None:
    """`dt` is copied when the push has it; other headers are not."""
    head = {"mid": "1 0", "sid": "s", "dt": "j", "other": "x"}

    assert json.loads(frames.ack(parse_push({"lwp": "/s/sync", "headers": head})) or b"") == {
        "code": 200,
        "headers": {"mid": "1 0", "sid": "s", "dt": "j"},
    }


def test_push_without_mid_has_no_ack() -> None:
    """Without a mid there is nothing to ack."""
    assert frames.ack(parse_push({"lwp": "/s/sync", "headers": {"sid": "s"}})) is None


def test_every_frame_is_covered() -> None:
    """No frame of the vectors is left out by the tests above."""
    produced = {"heartbeat_request", "reg_request", "getState_request", "ackDiff_request", "send_text_request"}
    produced |= {"listNewestPagination_request", "listUserMessages_request"}
    produced |= {"expected_ack_full_copy", "expected_ack_seed_style"}

    assert PUSHES | RESPONSES | produced | {"push_without_headers"} == set(FRAMES)


@pytest.mark.parametrize(
    ("mine", "name", "expected"),
    [
        ("5481767225600000 0", "heartbeat_response", True),
        ("5481767225600000 0", "heartbeat_response_suffix", True),
        ("5481767225600000 0", "heartbeat_not_mine", False),
        ("5481767225600000 0", "rpc_response_looks_like_heartbeat", False),
    ],
)
def test_mids_match_before_the_blank(mine: str, name: str, expected: bool) -> None:
    """An answer is matched by the text before the blank of its mid."""
    assert (frames.key(mine) == parse_response(FRAMES[name]).key) is expected


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("reg_response_ok", Registration.OK),
        ("reg_response_401", Registration.BAD_TOKEN),
        ("reg_response_401_device", Registration.BAD_TOKEN),
        ("reg_response_limit", Registration.LIMIT),
    ],
)
def test_registrations_of_the_vectors(name: str, meaning: Registration) -> None:
    """Each answer to `/reg` means what docs/protocol.md says, and tells the server's words."""
    found, words = frames.registration(parse_response(FRAMES[name]))

    assert found is meaning
    assert words == FRAMES[name]["body"].get("reason", "")


@pytest.mark.parametrize(
    ("code", "place", "meaning"),
    [
        (401, {}, Registration.BAD_TOKEN),
        (401, {"body": {"reason": "Connect Limit"}}, Registration.LIMIT),
        (400, {"body": {"reason": "not auth"}}, Registration.BAD_TOKEN),
        (400, {"body": {"message": "too many connections"}}, Registration.LIMIT),
        (400, {"body": {"msg": "session remove"}}, Registration.LIMIT),
        (400, {"message": "invalid token"}, Registration.BAD_TOKEN),
        (400, {"body": {"ret": ["x", "too many"]}}, Registration.LIMIT),
        (500, {"body": {"reason": "boom"}}, Registration.PROTOCOL),
        (400, {"body": {"note": "invalid token"}}, Registration.PROTOCOL),
        (403, {"body": ["invalid token"]}, Registration.PROTOCOL),
        ("200", {}, Registration.PROTOCOL),
        ("401", {}, Registration.BAD_TOKEN),
        (400, {"body": {"moreInfo": "token invalid"}}, Registration.BAD_TOKEN),
        (400, {"body": {"error": "Token Invalid"}}, Registration.BAD_TOKEN),
        (400, {"error-message": "connect limit"}, Registration.LIMIT),
    ],
)
def test_registration_texts(code: object, place: dict[str, Any], meaning: Registration) -> None:
    """The reason is found in body or frame under its known names; limits win over token texts."""
    found, _ = frames.registration(parse_response({"code": code, "headers": {"mid": "1 0"}, **place}))

    assert found is meaning


@pytest.mark.parametrize("name", ["reason", "message", "msg", "error", "error-message"])
def test_registration_reason_in_the_headers(name: str) -> None:
    """D6: the reason text can sit in the headers, under each name that servers give it."""
    head = {"mid": "1 0", name: "connect limit"}

    assert frames.registration(parse_response({"code": 400, "headers": head})) == (Registration.LIMIT, "connect limit")


def test_registration_with_a_broken_body() -> None:
    """A body that is not valid text costs the words, not the answer."""
    response = frames.parse(b'{"code":500,"headers":{"mid":"1 0"},"body":"\xff"}')
    assert isinstance(response, Response)

    assert frames.registration(response) == (Registration.PROTOCOL, "")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"syncExtraType": {"type": 1}}, True),
        ({"syncExtraType": {"type": 2}}, True),
        ({"syncExtraType": {"type": 3}}, False),
        ({"syncExtraType": {}}, False),
        ({"syncExtraType": 1}, False),
        ({"syncPushPackage": {"data": []}}, False),
        ([], False),
        (None, False),
    ],
)
def test_too_long(body: object, expected: bool) -> None:
    """Types 1 and 2 ask for the sync position again; 3 is the normal first batch."""
    assert frames.wants_state(parse_push({"lwp": "/s/sync", "headers": {}, "body": body})) is expected


def test_too_long_of_the_vectors() -> None:
    """The captured pushes say what they should."""
    asking = {name for name in PUSHES if frames.wants_state(parse_push(FRAMES[name]))}

    assert asking == {"push_too_long"}


def test_big_frame() -> None:
    """A frame of 5 MiB with 32 items is one push, acked like any other."""
    item = {"bizType": 40, "data": "A" * (5 * 1024 * 1024 // 32), "objectType": 40000}
    push = parse_push({"lwp": "/s/sync", "headers": {"mid": "1 0"}, "body": {"syncPushPackage": {"data": [item] * 32}}})

    assert len(bytes(push.body)) > 5 * 1024 * 1024
    assert frames.ack(push) == b'{"code":200,"headers":{"mid":"1 0"}}'


def test_mid_format() -> None:
    """Mids have the format of the vectors, with today's and with the smallest numbers."""
    pattern = VECTORS["id_formats"]["mid_regex"]

    assert re.match(pattern, Mids(lambda: 1767225600.0, lambda: 0.999999).new())
    assert re.match(pattern, Mids(lambda: 0.0, lambda: 0.0).new())
    assert Mids(lambda: 1767225600.0, lambda: 0.548).new() == "5481767225600000 0"


@given(st.lists(st.tuples(st.floats(0, 9e9), st.floats(0, 1, exclude_max=True)), min_size=1, max_size=50))
def test_mids_are_never_equal(moments: list[tuple[float, float]]) -> None:
    """No two mids are equal, also when the clock stands still or is set back."""
    clock = {"now": 0.0, "luck": 0.0}
    mids = Mids(lambda: clock["now"], lambda: clock["luck"])
    made = []
    for clock["now"], clock["luck"] in moments:
        made += [mids.new(), mids.new()]

    assert len(set(made)) == len(made)
    assert all(re.match(r"^\d{1,3}\d{13} 0$", mid) for mid in made)


def test_raw_bodies_survive_their_frame() -> None:
    """A body stays readable after the frame's own bytes are gone."""
    push = frames.parse(bytes(bytearray(wire(FRAMES["push_typing"]))))
    assert isinstance(push, Push)

    assert msgspec.json.decode(push.body) == FRAMES["push_typing"]["body"]
