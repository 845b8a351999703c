"""Whoever holds a good token dials, also in an outage of logins (supervision.md 4): reviewer's 6."""

from __future__ import annotations

import pytest

from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.account_state import Condition, Timer, Worker
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.supervisor.supervision.transitions import transition
from xyfleet.worker.causes import Cause

RULES = RestartRules(has_hook=True)
OUT = Condition(worker=Worker.LIVE, login_gate=True)


@pytest.mark.parametrize("cause", [Cause.NETWORK, Cause.HEARTBEAT, Cause.BUG])
def test_who_failed_for_something_else_is_restarted_with_its_token(cause: Cause) -> None:
    """Its network is no business of the others' logins; a new token is not to be had, so the old one is not void."""
    done = transition(OUT, Event(kind=Kind.FAILED, cause=cause), 100.0, RULES, 0.5)
    assert done.condition.worker is Worker.STOPPING
    assert done.condition.crashes == 1
    assert not any(isinstance(action, do.VoidToken) for action in done.actions)


def test_whose_token_is_refused_waits() -> None:
    """What it would dial with is worth nothing."""
    done = transition(OUT, Event(kind=Kind.FAILED, cause=Cause.REFUSED), 100.0, RULES, 0.5)
    assert (done.condition.worker, done.actions) == (Worker.LIVE, [])


def test_the_end_of_the_grace_voids_no_token_that_nobody_can_replace() -> None:
    """Nor may a restart after it: the account would wait at the gate for hours."""
    it = Condition(worker=Worker.LIVE, failed=Cause.NETWORK, login_gate=True, timer=Timer(number=3, kind="grace", at=1))
    for gate, voided in ((True, False), (False, True)):
        shut = Condition(worker=it.worker, failed=it.failed, login_gate=gate, timer=it.timer)
        done = transition(shut, Event(kind=Kind.TIMER, number=3), 100.0, RULES, 0.5)
        assert done.condition.worker is Worker.STOPPING
        assert any(isinstance(action, do.VoidToken) for action in done.actions) is voided
