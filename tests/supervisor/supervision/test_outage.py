"""Fleet outages: when they begin, what they hold back, how they end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.supervision.outage import CANARIED, PROBED, OutageWatch
from xyfleet.worker.causes import Cause


def watch_with(cause: Cause, failing: int, fine: int = 0) -> OutageWatch:
    """Return a watch that saw `fine` accounts connect and then `failing` ones fail, at time 0."""
    watch = OutageWatch()
    for n in range(fine):
        watch.succeeded(f"fine-{n}", 0.0)
    for n in range(failing):
        watch.failed(f"bad-{n}", cause, 0.0)
    return watch


@pytest.mark.parametrize("cause", sorted(PROBED | CANARIED))
def test_three_of_three_are_an_outage_and_two_are_not(cause: Cause) -> None:
    """It takes 3 accounts with one cause."""
    assert watch_with(cause, 2).current is None
    assert watch_with(cause, 3).current is not None


def test_thirty_percent_of_those_that_tried() -> None:
    """3 failures among 10 that tried are an outage, 3 among 11 are not."""
    assert watch_with(Cause.CLOSED, 3, fine=7).current is not None
    assert watch_with(Cause.CLOSED, 3, fine=8).current is None


def test_old_tries_do_not_count() -> None:
    """A failure counts for 60 s."""
    watch = watch_with(Cause.CLOSED, 2)
    assert not watch.failed("late", Cause.CLOSED, 61.0)
    assert watch.current is None


def test_success_wipes_a_failure_out() -> None:
    """An account that reconnected is no sign of an outage any more."""
    watch = watch_with(Cause.CLOSED, 2)
    watch.succeeded("bad-0", 1.0)
    assert not watch.failed("third", Cause.CLOSED, 2.0)


@pytest.mark.parametrize("cause", sorted(set(Cause) - PROBED - CANARIED))
def test_personal_troubles_are_no_outage(cause: Cause) -> None:
    """Risk control, rivals, removals and bugs hold nobody else back."""
    assert watch_with(cause, 50).current is None


def test_probe_ends_it_and_everybody_may_go() -> None:
    """The endpoint is probed every 2 s; its answer ends the outage."""
    watch = watch_with(Cause.NETWORK, 3)
    assert watch.holds("anyone")
    assert not watch.probe_due(1.9)
    assert watch.probe_due(2.0)
    assert not watch.probed(False, 2.0)
    assert not watch.probe_due(3.9)
    assert watch.probed(True, 4.0)
    assert not watch.holds("anyone")


def test_trouble_that_comes_back_is_probed_ever_later() -> None:
    """A gateway that accepts and drops everybody is not stormed: 2, 4, 8, … 120 s."""
    watch = OutageWatch()
    now, waits = 0.0, []
    for _ in range(8):
        for n in range(3):
            watch.failed(f"a{n}", Cause.CLOSED, now)
        assert watch.current is not None
        waits.append(watch.current.next_try - now)
        now = watch.current.next_try
        watch.probed(True, now)

    assert waits == [2, 4, 8, 16, 32, 64, 120, 120]


def test_canary_goes_alone_and_its_song_frees_all() -> None:
    """For `auth` and `refused` one account takes its step; CONNECTED ends the outage."""
    watch = watch_with(Cause.AUTH, 3)
    assert watch.canary_due(0.0)
    assert not watch.probe_due(100.0)
    watch.send_canary("bad-1")
    assert not watch.holds("bad-1")
    assert watch.holds("bad-2")
    assert not watch.canary_due(1.0)
    assert watch.succeeded("bad-1", 5.0)
    assert not watch.holds("bad-2")


def test_silent_canaries_are_ten_minutes_apart_then_twice_that() -> None:
    """A canary that fails is followed after 10 min, doubling to 2 h."""
    watch = watch_with(Cause.REFUSED, 3)
    now, waits = 0.0, []
    for n in range(6):
        watch.send_canary(f"bad-{n % 3}")
        watch.failed(f"bad-{n % 3}", Cause.REFUSED, now)
        assert watch.current is not None
        assert not watch.canary_due(now)
        waits.append(watch.current.next_try - now)
        now = watch.current.next_try
        assert watch.canary_due(now)

    assert waits == [600, 1200, 2400, 4800, 7200, 7200]


def test_removed_canary_makes_room() -> None:
    """A canary that is stopped or removed does not hold the fleet for ever."""
    watch = watch_with(Cause.AUTH, 3)
    watch.send_canary("bad-0")
    watch.forget("bad-0", 1.0)
    assert watch.canary_due(601.0)


def test_silent_endpoint_is_an_outage_at_any_size() -> None:
    """A fleet of one is in an outage too when the endpoint does not answer a probe."""
    watch = OutageWatch()
    assert watch.endpoint_silent(1, 0.0)
    assert watch.holds("only")
    assert not watch.endpoint_silent(1, 1.0)


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([*Cause, None]), st.floats(0, 30)), max_size=60))
def test_outage_rule_holds_for_any_history(history: list[tuple[int, Cause | None, float]]) -> None:
    """An outage begins exactly when 3 accounts and 30 % of the tries of the last minute failed with one cause."""
    watch, latest, now = OutageWatch(), dict[int, tuple[float, Cause | None]](), 0.0
    for account, cause, later in history:
        now += later
        latest[account] = (now, cause)
        if cause is None:
            watch.succeeded(str(account), now)
            continue
        began = watch.failed(str(account), cause, now)
        recent = [c for at, c in latest.values() if now - at <= 60]
        expected = cause in PROBED | CANARIED and recent.count(cause) >= 3 and recent.count(cause) >= 0.3 * len(recent)
        assert began == expected
        if began:
            return
