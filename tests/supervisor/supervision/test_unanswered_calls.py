"""Token calls that nobody answers, and HTTP answers at the handshake, say nothing about a login or a token."""

from __future__ import annotations

import pytest

from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account_events import Action, Event, Kind
from xyfleet.supervisor.supervision.account_state import Condition, Worker
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.supervisor.supervision.transitions import transition
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason, words

RULES = RestartRules(has_hook=True)


def half_an_hour(cause: Cause, reason: Reason | None) -> list[Action]:
    """Return what is done for an account that is FAILED for this every minute, each time with a new worker."""
    it, actions = Condition(worker=Worker.LIVE), list[Action]()
    for minute in range(30):
        done = transition(it, Event(kind=Kind.FAILED, cause=cause, reason=reason), 60.0 * minute, RULES, 0.5)
        actions += done.actions
        it = Condition(
            worker=Worker.LIVE,
            cause=cause,
            crashes=done.condition.crashes,
            window=done.condition.window,
            fresh_restart_at=done.condition.fresh_restart_at,
        )
    return actions


def call(of: Reason) -> Reason:
    """Return the reason of a token call that failed."""
    return Reason("token_call", {"of": of})


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (Cause.PLATFORM, call(Reason("http_status", {"status": 502}))),
        (Cause.PLATFORM, call(Reason("fewer_calls", {"of": words("x")}))),
        (Cause.NETWORK, call(Reason("timeout"))),
        (Cause.NETWORK, call(words("proxy can't be reached"))),
        (Cause.NETWORK, Reason("handshake_failed", {"status": 502})),
        (Cause.PROTOCOL, Reason("handshake_failed", {"status": 404})),
        (Cause.LIMIT, Reason("too_many_connections", {"status": 429})),
    ],
)
def test_no_answer_is_no_reason_for_a_login(cause: Cause, reason: Reason) -> None:
    """Half an hour of 502, of silence or of "wait" is answered with counted restarts, and keeps the token in hand."""
    actions = half_an_hour(cause, reason)

    assert not [each for each in actions if isinstance(each, do.AskHook | do.VoidToken)]
    assert len([each for each in actions if isinstance(each, do.Note)]) >= 30


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (Cause.NETWORK, None),
        (Cause.NETWORK, Reason("timeout")),
        (Cause.CLOSED, None),
        (Cause.NETWORK, call(Reason("signing_not_renewed"))),
        (Cause.REFUSED, Reason("handshake_refused", {"status": 403})),
    ],
)
def test_whatever_else_goes_on_climbs(cause: Cause, reason: Reason | None) -> None:
    """Connections that fail with a token, and a signing cookie that is not renewed, may be the login's."""
    actions = half_an_hour(cause, reason)

    assert any(isinstance(each, do.AskHook) for each in actions)
    assert any(isinstance(each, do.VoidToken) for each in actions)
