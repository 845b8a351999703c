"""Tests of `xyfleet.supervisor.passport.renewal_plan`: a month of renewals keeps its limits."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.passport.renewal_plan import RenewalPace, RenewalPlan

HOUR = 3600.0
DAY = 24 * HOUR


def month(accounts: int, seed: int, look: float) -> dict[str, list[float]]:
    """Return when each account was renewed in 30 days, as the shell would do it, looking every `look` seconds."""
    luck, plan = random.Random(seed), RenewalPlan(RenewalPace())
    due = dict.fromkeys((f"a{index}" for index in range(accounts)), 0.0)
    done: dict[str, list[float]] = defaultdict(list)
    now = 1e9
    while now < 1e9 + 30 * DAY:
        name = plan.due(due.items(), now)
        if name is None:
            now += look
            continue
        done[name].append(now)
        due[name] = plan.next(now, luck.random())
        now += 1.0  # the calls themselves
        plan.took(now, luck.random())
    return done


@pytest.mark.parametrize(("accounts", "look"), [(3, 60.0), (40, 30.0)])
def test_a_month_keeps_its_limits(accounts: int, look: float) -> None:
    """At start and every 6 to 12 h, never two accounts within 10 s, at most 4 a day, and not to the clock."""
    done = month(accounts, 7, look)
    all_of_them = sorted(at for times in done.values() for at in times)

    assert len(done) == accounts
    for times in done.values():
        gaps = [later - before for before, later in pairwise(times)]
        assert times[0] < 1e9 + accounts * (21 + look)
        assert min(gaps) >= 6 * HOUR
        assert max(gaps) <= 12 * HOUR + accounts * (21 + look)
        assert len({round(gap, -2) for gap in gaps}) > len(gaps) / 3
        assert 60 <= len(times) <= 120
    assert min(later - before for before, later in pairwise(all_of_them)) >= 10


def test_a_large_fleet_gets_round() -> None:
    """1,500 accounts, one at a time: nobody waits longer than half a day and a bit for the first renewal."""
    luck, plan = random.Random(1), RenewalPlan(RenewalPace())
    due = dict.fromkeys(range(1500), 0.0)
    now = 1e9
    for _ in range(1500):
        now = max(now, plan._free_at)
        name = plan.due(((str(number), at) for number, at in due.items()), now)
        assert name is not None
        due[int(name)] = plan.next(now, luck.random())
        plan.took(now + 1, luck.random())

    assert min(due.values()) > 1e9
    assert now - 1e9 < 8 * HOUR


@given(st.floats(0, 2e9), st.floats(0, 0.999), st.floats(0, 2e9))
def test_a_clock_that_was_set_back_holds_nobody_for_ever(now: float, luck: float, later: float) -> None:
    """Whatever the clock does, at most one gap's length is waited."""
    plan = RenewalPlan(RenewalPace())
    plan.took(now, luck)

    assert plan.due([("a", 0.0)], later) == "a" or plan.due([("a", 0.0)], later + 20.1) == "a"


def test_a_login_renewed_while_the_clock_was_ahead_is_renewed_again() -> None:
    """The clock was a month ahead, then set right: the login must not die before that month is over."""
    plan = RenewalPlan(RenewalPace())
    ahead = plan.next(1e9 + 30 * DAY, 0.5)

    assert plan.due([("a", ahead)], 1e9) == "a"
    assert plan.due([("a", plan.next(1e9, 0.999))], 1e9 + 1) is None
    assert plan.due([("a", ahead), ("b", 1e9 - 1)], 1e9) == "b"
