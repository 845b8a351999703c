"""A login hook that waits for its account's proxy goes on when the proxy is back, not a minute later."""

from __future__ import annotations

from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.account_state import Condition, Login, Worker
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.supervisor.supervision.transitions import NUMBERED, transition


def test_hook_is_asked_again_when_the_way_is_back() -> None:
    """
    An operator's login of an account without a worker, behind a dead proxy: the end of that outage asks for it anew.

    (Found by scripts/storms: such accounts stayed dark for up to 60 s after everybody else.)
    """
    it = Condition(worker=Worker.NONE, reach_gate=True)
    actions: list[do.Action] = []
    for kind, facts in (
        (Kind.REFRESH, {}),
        (Kind.HOOK_ENDED, {"end": "proxy", "reason": "timed out"}),
        (Kind.GATES, {"reach": False, "login": False}),
    ):
        number = NUMBERED[kind](it) if kind in NUMBERED else None
        done = transition(it, Event(kind=kind, number=number, **facts), 0.0, RestartRules(has_hook=True), 0.5)  # type: ignore[arg-type]
        it, actions = done.condition, done.actions
    assert [type(action) for action in actions] == [do.CancelTimer, do.AskHook]
    assert (it.login, it.waits_for, it.asked, it.timer) == (Login.HOOK_WAITING, "place", True, None)


def test_nothing_to_change_makes_no_user() -> None:
    """Who never had a cookie and is told that there is nothing to change has nobody to be: no worker is queued."""
    it = Condition(login=Login.HOOK_RUNNING, hook=7, hook_needed=True, user=False)
    done = transition(
        it, Event(kind=Kind.HOOK_ENDED, number=7, end="unchanged", wait=600.0), 0.0, RestartRules(has_hook=True), 0.5
    )
    assert (done.condition.worker, done.condition.user) == (Worker.NONE, False)
    assert (done.condition.login, done.condition.waits_for) == (Login.HOOK_WAITING, "cooldown")
