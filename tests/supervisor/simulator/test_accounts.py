"""Logins and counters of the simulated accounts."""

from __future__ import annotations

from xyfleet.supervisor.simulator.accounts import Account, Counters, total


def test_login_dies_when_it_was_seen_before_the_expiry() -> None:
    """Expiry voids every login seen so far; one never seen before is a new login."""
    account = Account("1")

    assert account.login("old")
    account.expire()
    assert not account.login("old")
    assert account.login("new")


def test_a_new_login_dies_in_the_next_expiry() -> None:
    """Each expiry takes all that came before it."""
    account = Account("1")
    account.login("a")
    account.expire()
    account.login("b")
    account.expire()

    assert not account.login("a")
    assert not account.login("b")
    assert account.login("c")


def test_view_is_plain_values() -> None:
    """Times become lists; how connections ended is counted by code."""
    counters = Counters(beats=2)
    counters.dial_times.append(1.5)
    counters.ended(1000)
    counters.ended(1000)
    counters.ended(None)
    view = counters.view()

    assert view["beats"] == 2
    assert view["dial_times"] == [1.5]
    assert view["closes"] == {"1000": 2, "none": 1}


def test_total_adds_everything_up() -> None:
    """Numbers are added, times put in order, ends added by code."""
    one, two = Counters(beats=1, live=1), Counters(beats=2)
    one.dial_times.append(3.0)
    two.dial_times.append(2.0)
    one.ended(1001)
    two.ended(1001)
    two.ended(None)
    sums = total([one, two])

    assert (sums["beats"], sums["live"]) == (3, 1)
    assert sums["dial_times"] == [2.0, 3.0]
    assert sums["closes"] == {"1001": 2, "none": 1}
    assert one.closes == {"1001": 1}


def test_total_of_nobody_is_zero() -> None:
    """No accounts: all counters are there, at zero."""
    assert total([]) == Counters().view()
