"""What an account's gates do to one that is on its way out, and to one that waits for a person."""

from __future__ import annotations

import pytest

from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.account_state import Condition, Login, Worker
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.supervisor.supervision.transitions import transition


@pytest.mark.parametrize("then", [None, 240.0])
def test_an_outages_end_shortens_no_pause(then: float | None) -> None:
    """A worker that ends to be started again in a while, or never again (another program's), goes on ending so."""
    it = Condition(worker=Worker.STOPPING, then=then, reach_gate=True)
    done = transition(it, Event(kind=Kind.GATES), 0.0, RestartRules(), 0.5)
    assert (done.condition.worker, done.condition.then) == (Worker.STOPPING, then)


def test_an_outage_sends_nobody_to_a_person_for_want_of_a_hook() -> None:
    """Who waits for a person only because there is no hook waits for the outage's end instead."""
    for user, login in ((True, Login.HOOK_WAITING), (False, Login.PERSON)):
        it = Condition(login=Login.PERSON, person="no_hook", user=user)
        done = transition(it, Event(kind=Kind.GATES, login=True), 0.0, RestartRules(), 0.5)
        assert done.condition.login is login
