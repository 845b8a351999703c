"""The ladder: every row of the supervisor's table, and its properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.supervision.restart_policy import (
    HOLDS,
    Hold,
    Hook,
    Ladder,
    NeedsLogin,
    Restart,
    RestartRules,
    Revive,
    Start,
)
from xyfleet.worker.causes import Cause

HOUR = 3600.0


def ladder(*, has_hook: bool = True, random: float = 1.0, **rules: float) -> Ladder:
    """Return a ladder whose jitter always draws `random`."""
    return Ladder(RestartRules(has_hook=has_hook, **rules), lambda: random)


def test_exits_restart_at_once_then_ever_later() -> None:
    """The first exit restarts at once, the next ones in a window that doubles from 1 s to 900 s."""
    steps = ladder()
    delays = [steps.exited(float(n)).delay for n in range(14)]

    assert delays == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


def test_restarts_far_apart_are_a_quarantine() -> None:
    """From a window of 300 s on the account is quarantined, before that it is not."""
    steps = ladder(random=0.0)
    seen = []
    for n in range(12):
        steps.exited(float(n))
        seen.append(steps.quarantined)

    assert seen == [False] * 10 + [True] * 2


def test_health_earns_an_immediate_restart() -> None:
    """After 120 s of being connected the count begins anew; a shorter time earns nothing."""
    steps = ladder()
    for n in range(6):
        steps.exited(float(n))
    steps.connected(100.0)
    assert steps.exited(219.0).delay == 32.0

    steps.connected(300.0)
    assert steps.exited(420.0).delay == 0.0


def test_auth_calls_the_hook_at_once() -> None:
    """FAILED for `auth` needs no further proof: the token call said that the login is dead."""
    assert ladder().failed(0.0, Cause.AUTH) == Hook(wait=True)


def test_auth_without_a_hook_needs_a_person() -> None:
    """Without a hook nobody but a person can log in."""
    assert ladder(has_hook=False).failed(0.0, Cause.AUTH) == NeedsLogin()


@pytest.mark.parametrize("cause", [c for c in Cause if c not in HOLDS and c is not Cause.AUTH])
def test_first_failure_within_an_hour_gets_a_new_process_and_token(cause: Cause) -> None:
    """Any other cause, `refused` too, first costs a process restart with a new token, no login."""
    assert ladder().failed(0.0, cause) == Restart(0.0)


@pytest.mark.parametrize("cause", [Cause.REFUSED, Cause.NETWORK, Cause.CLOSED, Cause.HEARTBEAT])
def test_second_failure_within_an_hour_calls_the_hook(cause: Cause) -> None:
    """Only after the restart did not help is a login tried; an hour later it begins with the restart again."""
    steps = ladder()
    steps.failed(0.0, cause)
    assert steps.failed(100.0, cause) == Hook(wait=False)

    assert steps.failed(HOUR + 1, cause) == Restart(0.0)


@pytest.mark.parametrize("cause", [Cause.BUG, Cause.PROTOCOL, Cause.LIMIT])
def test_causes_that_a_login_cannot_touch_never_reach_the_hook(cause: Cause) -> None:
    """`bug`, `protocol` and `limit` get counted restarts, ever further apart."""
    steps = ladder()
    taken = [steps.failed(float(n), cause) for n in range(5)]

    assert taken == [Restart(0.0), Restart(0.0), Restart(1.0), Restart(2.0), Restart(4.0)]


def test_hook_that_helps_revives_the_worker() -> None:
    """A new cookie, or `{}`, means a new connection of the same worker."""
    assert ladder().hook_succeeded() == Revive()


def test_hook_that_fails_for_auth_is_tried_again_later() -> None:
    """A restart can't mend a dead login: the next hook run waits for its cool-down."""
    assert ladder().hook_failed(Cause.AUTH, needs_human=False) == Hook(wait=True)


def test_hook_that_fails_otherwise_costs_a_counted_restart() -> None:
    """For other causes the ladder goes on with restarts."""
    steps = ladder()
    steps.exited(0.0)

    assert steps.hook_failed(Cause.REFUSED, needs_human=False) == Restart(1.0)


@pytest.mark.parametrize("cause", list(Cause))
def test_hook_that_asks_for_a_person_ends_the_ladder(cause: Cause) -> None:
    """`needs_human` is final whatever the cause."""
    assert ladder().hook_failed(cause, needs_human=True) == NeedsLogin()


@pytest.mark.parametrize("cause", [Cause.RISK, Cause.REMOVED])
def test_risk_and_removal_are_left_alone(cause: Cause) -> None:
    """One probe after 30 minutes, doubling to a day; never a login, never a restart."""
    steps = ladder()
    waits = [steps.failed(float(n), cause) for n in range(8)]

    assert waits == [Hold(minutes * 60.0) for minutes in (30, 60, 120, 240, 480, 960, 1440, 1440)]


def test_rival_is_waited_out() -> None:
    """10 minutes doubling to 2 hours while another program holds the account."""
    steps = ladder()
    waits = [steps.failed(float(n), Cause.RIVAL) for n in range(6)]

    assert waits == [Hold(minutes * 60.0) for minutes in (10, 20, 40, 80, 120, 120)]


def test_short_health_does_not_shorten_a_hold() -> None:
    """A rival that comes back within the wait's own length doubles it; longer health resets it."""
    steps = ladder()
    steps.failed(0.0, Cause.RIVAL)
    steps.connected(600.0)
    assert steps.failed(1100.0, Cause.RIVAL) == Hold(1200.0)

    steps.connected(2300.0)
    assert steps.failed(3600.0, Cause.RIVAL) == Hold(600.0)


def test_forgiveness_begins_at_the_foot() -> None:
    """An operator's command or a new cookie clears every count."""
    steps = ladder()
    for n in range(12):
        steps.exited(float(n))
    steps.failed(20.0, Cause.RISK)
    steps.forgive()

    assert not steps.quarantined
    assert steps.exited(30.0) == Start(0.0)
    assert steps.failed(31.0, Cause.RISK) == Hold(1800.0)


EVENTS = st.lists(st.tuples(st.sampled_from([*Cause, None]), st.floats(0, 400)), max_size=40)


@given(EVENTS, st.floats(0, 1), st.booleans())
def test_no_delay_is_longer_than_allowed_and_no_login_is_taken_in_vain(
    events: list[tuple[Cause | None, float]], draw: float, has_hook: bool
) -> None:
    """Whatever happens: restarts wait 0 to 900 s, and risk, removal, rivals, bugs and limits never cause a login."""
    steps = ladder(has_hook=has_hook, random=draw)
    now = 0.0
    for cause, later in events:
        now += later
        step = steps.exited(now) if cause is None else steps.failed(now, cause)
        if isinstance(step, Start | Restart):
            assert 0 <= step.delay <= 900
        if isinstance(step, Hook):
            assert has_hook
            assert cause not in {*HOLDS, Cause.BUG, Cause.PROTOCOL, Cause.LIMIT}
