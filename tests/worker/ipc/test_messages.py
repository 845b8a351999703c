"""What goes over the pipes: round trips, limits, and bytes in any portions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.codec import (
    MAX_DOWN,
    MAX_UP,
    BadMessage,
    FrameDecoder,
    decode_down,
    decode_go,
    decode_up,
    encode,
)
from xyfleet.worker.ipc.figures import MAX_CHANGES, Change, HeartbeatFigures
from xyfleet.worker.ipc.messages import (
    Alive,
    Apply,
    Go,
    Hello,
    Message,
    Queued,
    Reconnect,
    Refusal,
    Report,
    Stop,
    Ticket,
    TicketRequest,
)
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import Cycle, LogSettings, WorkerSettings
from xyfleet.worker.states import State
from xyfleet.worker.text import MAX_REASON, cut

SETTINGS = WorkerSettings(account="shop-001", unb="22", device_id="D", proxy=Secret("http://u:p@h:1"), ca_file="/ca")
CHANGE = Change(
    time=1.5, old=State.CONNECTED, new=State.RECONNECTING, cause=Cause.CLOSED, reason=Reason("closed", {"status": 1001})
)
UP = [
    Hello(pid=7, marker="0.1.0+abc", imported=["json"]),
    Alive(),
    Report(
        state=State.RECONNECTING,
        since=1.0,
        generation=3,
        cause=Cause.CLOSED,
        reason=words("x"),
        failures=2,
        next_attempt=9.5,
        window=HeartbeatFigures(sent=3, answered=2, rtt_mean=1.25, reconnects_by_cause={"closed": 1}),
        changes=[CHANGE],
        memory=5_000_000,
        note=Reason("log_unwritten", {"words": "No space left on device"}),
        cpu=0.25,
    ),
    TicketRequest(request=4, stale=2),
]
DOWN = [
    Ticket(request=4, serial=3, token=Secret("tok"), fresh=True),
    Queued(request=4, why=words("pacing")),
    Refusal(request=4, cause=Cause.AUTH, reason=words("session expired")),
    Reconnect(why="new cookie", drop=False, stale=True),
    Apply(settings=SETTINGS),
    Stop(),
]


@pytest.mark.parametrize("message", UP, ids=lambda message: type(message).__name__)
def test_up_round_trip(message: Any) -> None:
    """Every message of a worker comes out as it went in."""
    assert decode_up(encode(message, MAX_UP)[4:]) == message


@pytest.mark.parametrize("message", DOWN, ids=lambda message: type(message).__name__)
def test_down_round_trip(message: Any) -> None:
    """Every message to a worker comes out as it went in, its secrets included."""
    assert decode_down(encode(message, MAX_DOWN)[4:]) == message


@pytest.mark.parametrize("ticket", [None, Ticket(request=0, serial=3, token=Secret("tok"))])
def test_go_round_trip(ticket: Ticket | None) -> None:
    """The first command brings settings and ticket whole."""
    go = Go(settings=SETTINGS, ticket=ticket)
    assert decode_go(encode(go, MAX_DOWN)[4:]) == go


def test_what_is_no_json_is_refused() -> None:
    """A value that can't be encoded is an error of its own message, and does not show itself (finding 28)."""
    with pytest.raises(BadMessage) as refusal:
        encode(Reconnect(why="\ud800secret"), MAX_DOWN)
    assert "secret" not in str(refusal.value)


def test_frame_layout() -> None:
    """A frame is four bytes of big-endian length and that many bytes of JSON."""
    assert encode(Alive(), MAX_UP) == b"\x00\x00\x00\x0d" + b'{"t":"alive"}'


def test_too_long_is_refused() -> None:
    """A message above the limit is never sent."""
    with pytest.raises(BadMessage, match="at most 4092"):
        encode(Hello(pid=1, marker="x" * MAX_UP), MAX_UP)


def test_full_report_fits_one_write() -> None:
    """A report with as many changes and as long reasons as there may be fits into a pipe's atomic write."""
    change = msgspec.structs.replace(CHANGE, reason=cut("x" * 1000))
    causes = {cause.value: 10**6 for cause in Cause}
    window = HeartbeatFigures(
        sent=10**9, answered=10**9, due=10**9, rtt_mean=1e5 / 3, reconnects_by_cause=causes, last_sent=1e9
    )
    report = Report(
        state=State.RECONNECTING, since=1e9, reason=words(cut("y" * 999)), window=window, changes=[change] * MAX_CHANGES
    )

    assert len(encode(report, MAX_UP)) <= 4096


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"t":"unknown"}', b'{"t":"report"}', b'{"t":"ask"}', b'{"t":"stop"}', b"\xff"]
)
def test_bad_bytes_from_a_worker(body: bytes) -> None:
    """What is not one of a worker's messages is refused, one of a supervisor's too."""
    with pytest.raises(BadMessage):
        decode_up(body)


def test_bad_bytes_do_not_show_secrets() -> None:
    """The error about a command does not repeat what was in it."""
    with pytest.raises(BadMessage) as caught:
        decode_down(b'{"t":"ticket","request":1,"serial":"no","token":"very-secret"}')

    assert "very-secret" not in str(caught.value)


def test_unknown_keys_are_skipped() -> None:
    """A newer worker may say more than an older supervisor knows."""
    assert decode_up(b'{"t":"ask","request":1,"later":true}') == TicketRequest(request=1)


@given(st.lists(st.sampled_from(UP), max_size=8), st.lists(st.integers(1, 300), max_size=60))
def test_splitter_takes_any_portions(messages: list[Message], portions: list[int]) -> None:
    """However the bytes are cut, the bodies come out whole and in order."""
    stream = b"".join(encode(message, MAX_UP) for message in messages)
    splitter = FrameDecoder(MAX_UP)
    bodies: list[bytes] = []
    for portion in [*portions, len(stream)]:
        bodies += splitter.feed(stream[:portion])
        stream = stream[portion:]

    assert [decode_up(body) for body in bodies] == messages


def test_splitter_refuses_huge_lengths() -> None:
    """A length above the limit is noticed before its bytes are waited for."""
    with pytest.raises(BadMessage, match="at most 4092"):
        list(FrameDecoder(MAX_UP).feed(b"\x7f\xff\xff\xff"))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("plain", "plain"),
        ("two\nlines\tand \n blanks\n", "two lines and blanks"),
        ("\x1b[31mred\x1b[0m \ud800", "[31mred [0m"),
        ("x" * MAX_REASON, "x" * MAX_REASON),
        ("x" * (MAX_REASON + 1), "x" * (MAX_REASON - 1) + "…"),
    ],
)
def test_cut(reason: str, expected: str) -> None:
    """A reason is one line of at most so many characters."""
    assert cut(reason) == expected


def test_apply_carries_live_settings() -> None:
    """New settings of all kinds travel in one command."""
    settings = msgspec.structs.replace(SETTINGS, cycle=Cycle(heartbeat_interval=40.0), log=LogSettings(beats=False))

    assert decode_down(encode(Apply(settings=settings), MAX_DOWN)[4:]) == Apply(settings=settings)
