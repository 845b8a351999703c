"""What outlives the supervisor: written down and read back at any moment, by a clock that may be wrong."""

from __future__ import annotations

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from xyfleet.supervisor.credentials.record import Past
from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.account_state import HOUR, Condition, Hold, Login, Worker
from xyfleet.supervisor.supervision.past import past_of, restored
from xyfleet.supervisor.supervision.restart_policy import HOLDS, RISK_HOLD, RestartRules
from xyfleet.supervisor.supervision.transitions import transition
from xyfleet.worker.causes import Cause

RULES = RestartRules()
WALL = 1.7e9
times = st.floats(-1e12, 1e12)
pasts = st.builds(
    Past,
    crashes=st.integers(-5, 10**6),
    window=times,
    fresh_restart_at=st.none() | times | st.floats(WALL - 2 * HOUR, WALL + 2 * HOUR),
    hold=st.none() | st.sampled_from(Cause),
    hold_until=times | st.floats(WALL - 2 * HOUR, WALL + 2 * HOUR),
    hold_level=st.integers(-5, 10**6),
    held_for=times,
)


def held(left: float) -> Condition:
    """Return an account that is held by risk control for so many seconds still, at monotonic 1000."""
    hold = Hold(cause=Cause.RISK, until=1000.0 + left)
    more = {"crashes": 3, "window": 4.0, "fresh_restart_at": 900.0, "hold_level": 2, "held_for": 3600.0}
    return Condition(login=Login.HELD, hold=hold, cause=Cause.RISK, **more)  # type: ignore[arg-type]


def again(it: Condition, later: float, wall_later: float | None = None) -> Condition:
    """Return the condition of a supervisor that begins so many seconds later on a machine with another clock."""
    kept = msgspec.json.decode(msgspec.json.encode(past_of(it, 1000.0, WALL)), type=Past)
    return restored(Condition(), kept, 50.0, WALL + (later if wall_later is None else wall_later), RULES)


def test_a_hold_goes_on_where_it_was() -> None:
    """Level and end, crashes, window, and when it got a fresh start: moved to the new supervisor's clock."""
    found = again(held(1200.0), 200.0)

    assert found.hold is not None
    assert found.hold.until == pytest.approx(50.0 + 1000.0, abs=1e-3)
    assert (found.login, found.cause, found.hold_level, found.held_for) == (Login.HELD, Cause.RISK, 2, 3600.0)
    assert (found.crashes, found.window) == (3, 4.0)
    assert found.fresh_restart_at == pytest.approx(50.0 - 300.0, abs=1e-3)


def test_a_held_account_starts_when_its_hold_is_over() -> None:
    """Not at the start of the supervisor: a timer rings for it then."""
    found = again(held(1200.0), 200.0)
    begun = transition(found, Event(kind=Kind.BEGIN), 50.0, RULES, 0.5).condition
    assert (begun.worker, begun.login) == (Worker.NONE, Login.HELD)
    assert begun.timer is not None
    ring = Event(kind=Kind.TIMER, number=begun.timer.number)
    assert transition(begun, ring, begun.timer.at, RULES, 0.5).condition.worker is Worker.QUEUED
    over = again(held(1200.0), 1300.0)
    assert transition(over, Event(kind=Kind.BEGIN), 50.0, RULES, 0.5).condition.worker is Worker.QUEUED


def test_a_clock_that_was_set_back_holds_nobody_for_longer() -> None:
    """A year back: the longest that a hold of this kind lasts, and no longer."""
    found = again(held(1200.0), 0.0, -365 * 86_400.0)

    assert found.hold is not None
    assert found.hold.until - 50.0 == RISK_HOLD[1]
    assert found.fresh_restart_at == 50.0


@given(pasts)
def test_whatever_stands_in_the_file_is_within_bounds(past: Past) -> None:
    """Nothing lasts longer than the longest that its kind allows."""
    found = restored(Condition(), past, 50.0, WALL, RULES)

    assert 0 <= found.window <= RULES.backoff_max
    assert 0 <= found.crashes <= 64
    assert found.fresh_restart_at is None or 50.0 - HOUR <= found.fresh_restart_at <= 50.0
    if found.hold is not None:
        assert 50.0 < found.hold.until <= 50.0 + HOLDS[found.hold.cause][1]


@pytest.mark.parametrize("goes_on", [True, False])
def test_who_waited_for_an_outage_waits_on_with_it_only(goes_on: bool) -> None:
    """Its login was dead in an outage: it waits for the end of that, or, where that is gone, is tried again."""
    waited = Condition(login=Login.HOOK_WAITING, waits_for="outage", hook_needed=True, login_gate=True)
    it = restored(Condition(), past_of(waited, 100.0, 1e9), 5.0, 1e9 + 60, RULES)
    for event in (Event(kind=Kind.GATES, login=goes_on), Event(kind=Kind.BEGIN)):
        done = transition(it, event, 5.0, RULES, 0.5)
        it = done.condition

    if goes_on:
        assert (it.login, it.waits_for, it.worker) == (Login.HOOK_WAITING, "outage", Worker.NONE)
    else:
        assert (it.login, it.waits_for, it.worker) == (Login.FINE, None, Worker.QUEUED)
        assert do.ForgiveToken() in done.actions
