"""Where an account stands: moves, what is remembered of them, kick-outs in their window."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.causes import Cause
from xyfleet.worker.connection.kickouts import KickOuts
from xyfleet.worker.ipc.messages import Change, HeartbeatFigures
from xyfleet.worker.reasons import Reason
from xyfleet.worker.states import Event, IllegalTransition, State
from xyfleet.worker.telemetry.connection_status import ConnectionStatus

S, E = State, Event


def test_moves_and_what_they_leave() -> None:
    """A loss leaves its cause until the next registration; every move has its time."""
    standing = ConnectionStatus(1.0)
    assert standing.move(E.DIAL, 2.0) == Change(time=2.0, old=S.DISCONNECTED, new=S.CONNECTING)
    standing.move(E.REGISTERED, 3.0)
    change = standing.move(E.LOST, 4.0, Cause.CLOSED, Reason("closed", {"status": 1001}))
    assert change == Change(
        time=4.0, old=S.CONNECTED, new=S.RECONNECTING, cause=Cause.CLOSED, reason=Reason("closed", {"status": 1001})
    )
    standing.move(E.DIAL, 5.0)
    assert (standing.cause, str(standing.reason), standing.since) == (Cause.CLOSED, "closed with 1001", 5.0)
    standing.move(E.REGISTERED, 6.0)
    assert (standing.cause, standing.reason) == (None, None)


def test_next_attempt_lasts_as_long_as_the_wait() -> None:
    """The announced attempt is forgotten when it begins, or when there will be none."""
    for event in (E.DIAL, E.EXHAUSTED, E.STOPPED):
        standing = ConnectionStatus(1.0)
        standing.move(E.DIAL, 1.0)
        standing.next_attempt = 9.0
        standing.move(E.LOST, 1.0)
        assert standing.next_attempt == 9.0
        standing.move(event, 2.0)
        assert standing.next_attempt is None


def test_illegal_moves_change_nothing() -> None:
    """A move that the table does not have raises and leaves everything as it was."""
    standing = ConnectionStatus(1.0)
    with pytest.raises(IllegalTransition):
        standing.move(E.REGISTERED, 2.0)

    assert (standing.state, standing.since) == (S.DISCONNECTED, 1.0)


def test_report() -> None:
    """A report says all of it."""
    standing = ConnectionStatus(1.0)
    standing.generation, standing.failures = 3, 2
    change = standing.move(E.DIAL, 2.0)
    report = standing.report(HeartbeatFigures(sent=5), [change], 7, "note", 0.12345)

    assert (report.state, report.since, report.generation, report.failures) == (S.CONNECTING, 2.0, 3, 2)
    assert (report.window.sent, report.changes, report.memory, report.note) == (5, [change], 7, "note")
    assert report.cpu == 0.123


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30))
def test_kick_outs_in_their_window(times: list[float]) -> None:
    """The limit is reached exactly when so many fall into one window that ends now."""
    kicks = KickOuts(3, 600.0)
    past: list[float] = []
    for now in sorted(times):
        past.append(now)
        expected = len([then for then in past[-3:] if now - then <= 600.0]) == 3
        assert kicks.add(now) is expected


def test_kick_outs_begin_anew() -> None:
    """After a revival the count begins at nothing."""
    kicks = KickOuts(3, 600.0)
    kicks.add(1.0)
    kicks.add(2.0)
    kicks.clear()

    assert not kicks.add(3.0)
