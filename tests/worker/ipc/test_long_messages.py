"""Whatever a server makes long: a worker's messages fit into one write, and none is in the way of the others."""

from __future__ import annotations

import asyncio
import json
import os
import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.codec import MAX_UP, BadMessage, FrameDecoder, decode_up, encode
from xyfleet.worker.ipc.figures import HeartbeatFigures, HourFigures, MailFigures
from xyfleet.worker.ipc.messages import Alive, Hello, Report, Strange, TalkPiece, Told
from xyfleet.worker.ipc.pipes import ReportPipe, fit
from xyfleet.worker.ipc.talks import PIECE
from xyfleet.worker.protocol.shape import shape, shape_of_bytes
from xyfleet.worker.reasons import Reason
from xyfleet.worker.reasons import words as foreign
from xyfleet.worker.states import State
from xyfleet.worker.telemetry.drift import Drift

MANY = 123_456_789
LONGEST_NAME = "x" * 60
KEYS = [*string.ascii_letters, *(first + second for first in string.ascii_letters for second in string.ascii_letters)]
NESTED: dict[str, dict[str, str]] = {key: {} for key in KEYS[:115]} | {"a": dict.fromkeys(KEYS[:190], "")}
"""Its shape is mostly quotes, which are escaped once more on the pipe."""

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=9) | st.just('{"a": [""]}'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=9),
    max_leaves=300,
)


def body_of(frame: bytes) -> object:
    """Return what a frame says."""
    (body,) = FrameDecoder(MAX_UP).feed(frame)
    return decode_up(body)


@given(values)
def test_every_shape_can_be_reported(value: object) -> None:
    """A strange thing is told with its shape, or with how large that would be."""
    told = Strange(place="objectType", name=LONGEST_NAME, shape=shape(value))
    assert body_of(fit(told)) == told


def test_a_shape_of_quotes_can_be_reported() -> None:
    """The quotes of a shape count as what they take on the pipe."""
    told = Strange(place="lwp", name=LONGEST_NAME, shape=shape_of_bytes(json.dumps(NESTED).encode()))

    assert body_of(fit(told)) == told
    assert msgspec.json.decode(told.shape).startswith("<too large: ")


def test_a_strange_thing_that_is_too_long_keeps_its_name() -> None:
    """Its shape goes."""
    assert body_of(fit(Strange(place="lwp", name="/s/new", shape='"' * 5000))) == Strange(
        place="lwp", name="/s/new", shape="null"
    )


def test_a_report_with_the_longest_of_everything_fits() -> None:
    """Its words are cut, and at last the names of strange things go; the figures stay."""
    words = "\U0001f600" * 200
    drift = Drift(lambda place, name, shape: None)
    for number in range(40):
        drift.met("contentType", f"{number:02}".translate(str.maketrans(string.digits, "abcdefghij")) * 30, str)
    causes = {cause.value: MANY for cause in Cause}
    figures = {"sent": MANY, "answered": MANY, "expired": MANY, "due": MANY, "best_streak": MANY}
    hour = HourFigures(**figures, rtt_mean=1234.567, rtt_p95=1234.567, reconnects_by_cause=causes)
    window = HeartbeatFigures(**figures, rtt_mean=1234.567, rtt_p95=1234.567, reconnects_by_cause=causes, hour=hour)
    mail = MailFigures(
        stored=MANY,
        trouble=foreign(words),
        inbox_note=foreign(words),
        handler_trouble=foreign(words),
        bounded=words,
        strange=dict.fromkeys(drift.counts, MANY),
    )
    report = Report(
        state=State.RECONNECTING,
        since=1764532800.123456,
        cause=Cause.STORAGE,
        reason=Reason("unstored", {"of": Reason("closed_saying", {"status": 1000, "words": words}), "words": words}),
        window=window,
        note=foreign(words),
        mail=mail,
    )
    found = body_of(fit(report))

    assert isinstance(found, Report)
    assert (found.state, found.window, found.mail.stored) == (report.state, window, MANY)


def test_an_event_with_the_longest_of_everything_fits() -> None:
    """Its words are cut, and the id of a conversation that is none."""
    told = body_of(
        fit(Told(number=1, kind="handed_over", text="\U0001f600" * 200, conversation="x" * 9000, minutes=5.0))
    )

    assert isinstance(told, Told)
    assert (told.kind, told.minutes) == ("handed_over", 5.0)


async def test_what_can_not_be_said_is_in_nobodys_way() -> None:
    """Who says it has the error; what is said afterwards goes out."""
    read, write = os.pipe()
    pipe = ReportPipe(write, lambda why: None)
    hopeless = Hello(pid=1, marker="x" * 5000)
    with pytest.raises(BadMessage):
        pipe.send(hopeless)
    pipe.send(Alive())
    await asyncio.sleep(0)
    pipe.close()

    assert os.read(read, 1 << 16) == encode(Alive(), MAX_UP)
    os.close(read)
    os.close(write)


async def test_pieces_of_a_long_answer_all_come() -> None:
    """Each fits, and none that waits for room is taken for a newer one of another."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    pipe, heard = ReportPipe(write, lambda why: None), list[bytes]()
    for number in range(40):  # twice as many as a pipe holds
        pipe.send(TalkPiece(request=MANY, number=number, data=bytes([number]) * PIECE, last=number == 39))
    decoder = FrameDecoder(MAX_UP)
    while len(heard) < 40:  # there is something to read until all are written
        heard += decoder.feed(os.read(read, 1 << 20))
        pipe.close()
    os.close(read)
    os.close(write)

    pieces = [decode_up(body) for body in heard]
    assert [piece.data[:1] for piece in pieces if isinstance(piece, TalkPiece)] == [bytes([n]) for n in range(40)]
