"""After a canary's good login, dead logins are each its own trouble; logins that fail are everybody's still."""

from __future__ import annotations

from xyfleet.supervisor.supervision.outage import TAKEN, OutageWatch
from xyfleet.supervisor.supervision.outage_values import PLATFORM, Outage
from xyfleet.worker.causes import Cause

MANY = 10


def all_dead(watch: OutageWatch, now: float, *, failing: bool = False) -> list[Outage]:
    """Let the logins of two ways die; return the outages that begin by it."""
    begun: list[Outage] = []
    for number in range(MANY):
        begun += watch.stands(f"a{number}", number % 2, Cause.AUTH, now, failing=failing)
    return begun


def all_fine(watch: OutageWatch, now: float) -> None:
    """Have nobody down."""
    for number in range(MANY):
        watch.stands(f"a{number}", number % 2, None, now)


def after_a_canary(*, logged_in: bool) -> OutageWatch:
    """Return a watch whose outages were ended by their canaries at 10 s."""
    watch = OutageWatch()
    all_fine(watch, 0.0)
    outages = all_dead(watch, 1.0)
    assert {outage.scope for outage in outages} == {0, 1, PLATFORM}
    for outage in outages:
        way = 1 if outage.scope == 1 else 0
        watch.canaries.send(outage, f"a{way}", 2.0)
        outage.logged_in = logged_in
        watch.stands(f"a{way}", way, None, 9.0)
        watch.over(outage, 10.0)
    all_fine(watch, 10.0)
    return watch


def test_dead_logins_are_no_outage_after_a_canary_logged_in() -> None:
    """Each is told that it is dead, and logs in, as many at once as hooks may: not one canary after the other."""
    watch = after_a_canary(logged_in=True)
    assert all_dead(watch, 11.0) == []
    all_fine(watch, 10.0 + TAKEN)
    assert all_dead(watch, 11.0 + TAKEN) != []


def test_failing_logins_are_an_outage_all_the_same() -> None:
    """Whose hooks fail have shown that logins are not taken any more."""
    watch = after_a_canary(logged_in=True)
    assert all_dead(watch, 11.0, failing=True) != []


def test_a_canary_that_had_a_good_session_proves_nothing_about_logins() -> None:
    """It connected without a login."""
    assert all_dead(after_a_canary(logged_in=False), 11.0) != []
