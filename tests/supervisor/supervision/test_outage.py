"""When many accounts' trouble is everybody's, whose it is, and how it ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.supervision.canary_turns import CANARY_WAIT, NEXT_CANARY
from xyfleet.supervisor.supervision.outage import PROBE_EVERY, OutageWatch
from xyfleet.supervisor.supervision.outage_values import PLATFORM, Group, Outage
from xyfleet.worker.causes import Cause


def fleet(up: int, egress: str | None = None, watch: OutageWatch | None = None) -> OutageWatch:
    """Return a watch that knows so many connected accounts of one egress."""
    watch = watch or OutageWatch()
    for n in range(up):
        watch.stands(f"{egress or 'd'}{n}", egress, None, 0.0)
    return watch


def down(watch: OutageWatch, *names: str, egress: str | None = None, cause: Cause = Cause.CLOSED) -> list[Outage]:
    """Let accounts go down; return the outages that began."""
    return [begun for name in names for begun in watch.stands(name, egress, cause, 100.0)]


def test_three_dead_logins_of_a_healthy_fleet_are_their_own_trouble() -> None:
    """Finding 1: in a quiet fleet of 12 three are 25 %, whatever nobody else tried in the last minute."""
    watch = fleet(12)

    assert down(watch, "d0", "d1", "d2", cause=Cause.AUTH) == []
    (outage,) = down(watch, "d3", cause=Cause.AUTH)
    assert (outage.group, outage.accounts) == (Group.LOGIN, 4)


def test_causes_of_one_group_count_together() -> None:
    """A reset here and an unanswered dial there are one trouble: the server can't be reached."""
    watch = fleet(6)
    down(watch, "d0", cause=Cause.CLOSED)
    down(watch, "d1", cause=Cause.NETWORK)

    assert [each.group for each in down(watch, "d2", cause=Cause.HEARTBEAT)] == [Group.REACH]


@pytest.mark.parametrize("cause", [Cause.RISK, Cause.RIVAL, Cause.REMOVED, Cause.BUG])
def test_troubles_of_single_accounts_never_count(cause: Cause) -> None:
    """What concerns one login is nobody else's trouble, however many have it."""
    assert down(fleet(3), "d0", "d1", "d2", cause=cause) == []


def test_an_outage_of_one_egress_leaves_the_others_alone() -> None:
    """Only accounts of a dead proxy are held; the platform's outage needs two egresses."""
    watch = fleet(4, "socks5://a", fleet(20))
    (outage,) = down(watch, *[f"socks5://a{n}" for n in range(3)], egress="socks5://a")

    assert outage.scope == "socks5://a"
    assert watch.gates("socks5://a3", "socks5://a") == (True, False)
    assert watch.gates("d0", None) == (False, False)


def test_one_proxy_each_is_the_platforms_outage() -> None:
    """200 proxies of one account each: no egress has three members, and the platform has all."""
    watch = OutageWatch()
    for n in range(10):
        watch.stands(f"a{n}", f"socks5://{n}", None, 0.0)
    begun = [each for n in range(3) for each in watch.stands(f"a{n}", f"socks5://{n}", Cause.AUTH, 1.0)]

    assert [(each.scope, each.group) for each in begun] == [(PLATFORM, Group.LOGIN)]
    assert watch.gates("a9", "socks5://9") == (False, True)


def test_a_silent_probe_is_a_small_egress_outage() -> None:
    """An egress with fewer than three members has no count: a failed probe begins its outage, once."""
    watch = OutageWatch()
    watch.stands("a", "socks5://a", Cause.NETWORK, 0.0)

    assert watch.silent("a", 1.0) is not None
    assert watch.silent("a", 2.0) is None
    assert watch.silent("stranger", 2.0) is None
    assert watch.gates("a", "socks5://a") == (True, False)


def test_login_outages_gate_no_dial() -> None:
    """Whoever holds a good token dials on."""
    watch = fleet(3)
    down(watch, "d0", "d1", "d2", cause=Cause.REFUSED)

    assert watch.gates("d0", None) == (False, True)


def test_refused_ends_with_anybodys_connection() -> None:
    """One account that gets in proves that tokens are taken again; a dead login of many needs the canary."""
    for cause, ends in ((Cause.REFUSED, True), (Cause.AUTH, False)):
        watch = fleet(4)
        down(watch, "d0", "d1", "d2", cause=cause)
        assert bool(watch.ended_by("d3")) is ends


def test_canaries_take_turns() -> None:
    """Everybody is sent once before anybody is sent again; each failure doubles the wait."""
    watch = fleet(3)
    (outage,) = down(watch, "d0", "d1", "d2", cause=Cause.AUTH)
    sent, waits = [], []
    for _ in range(6):
        name = watch.canaries.choose(["d0", "d1", "d2"])
        assert name is not None
        watch.canaries.send(outage, name, 0.0)
        assert watch.gates(name, None) == (False, False)
        watch.canaries.came_back(outage, 0.0, failed=True)
        sent.append(name)
        waits.append(outage.next_try)

    assert sent == ["d0", "d1", "d2", "d0", "d1", "d2"]
    assert waits == [min(CANARY_WAIT[0] * 2**n, CANARY_WAIT[1]) for n in range(6)]


def test_a_canary_goes_ahead_for_all_of_its_scopes() -> None:
    """An account whose way and the platform are both in a login outage is let through by either's turn."""
    watch = OutageWatch()
    for way in "pq":
        for n in range(3):
            watch.stands(f"{way}{n}", way, None, 0.0)
    for way in "pq":
        for n in range(3):
            watch.stands(f"{way}{n}", way, Cause.AUTH, 1.0)
    assert len(watch.outages) == 3
    watch.canaries.send(watch.outages["p", Group.LOGIN], "p0", 2.0)

    assert watch.gates("p0", "p") == (False, False)
    assert watch.gates("p1", "p") == (False, True)


def test_a_canary_that_needs_a_person_says_nothing() -> None:
    """The next one goes after a minute, and the failures' wait does not grow."""
    watch = fleet(3)
    (outage,) = down(watch, "d0", "d1", "d2", cause=Cause.AUTH)
    watch.canaries.send(outage, "d0", 0.0)
    watch.canaries.came_back(outage, 5.0, failed=False)

    assert (outage.next_try, outage.canary_wait) == (5.0 + NEXT_CANARY, CANARY_WAIT[0])


def test_an_outage_that_nobody_suffers_from_is_over() -> None:
    """Finding 2: new cookies for all, a stop, a removal: whoever is not down any more holds nobody back."""
    watch = fleet(4)
    (outage,) = down(watch, "d0", "d1", "d2", cause=Cause.AUTH)
    watch.stands("d0", None, None, 1.0)
    watch.leaves("d1")
    assert watch.empty() == []
    watch.leaves("d2")

    assert watch.empty() == [outage]


def test_probes_of_a_trouble_that_comes_back_are_further_apart() -> None:
    """2 s, doubling to two minutes while it comes back within a minute."""
    watch, waits, now = fleet(3), [], 0.0
    for _ in range(8):
        for n in range(3):
            watch.stands(f"d{n}", None, Cause.CLOSED, now)
        (outage,) = watch.outages.values()
        waits.append(outage.next_try - now)
        now = outage.next_try
        watch.over(outage, now)
        for n in range(3):
            watch.stands(f"d{n}", None, None, now)

    assert waits == [min(PROBE_EVERY * 2**n, 120.0) for n in range(8)]


Steps = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.sampled_from([None, "p", "q"]),
        st.sampled_from([None, *Cause, "leaves"]),
    ),
    max_size=60,
)


@given(Steps)
def test_counts_never_drift(steps: list[tuple[int, str | None, Cause | str | None]]) -> None:
    """Whatever order accounts come, move and go in: when all have left, nothing is left of them."""
    watch = OutageWatch()
    for number, egress, what in steps:
        if isinstance(what, Cause) or what is None:
            watch.stands(f"a{number}", egress, what, 0.0)
        else:
            watch.leaves(f"a{number}")
    for number in range(8):
        watch.leaves(f"a{number}")

    assert watch._tally._counts == {}
    assert watch.empty() == list(watch.outages.values())
