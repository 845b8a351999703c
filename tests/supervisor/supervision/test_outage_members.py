"""Who is down for everybody's trouble, and who for his own; canaries in a fair order; many ways, each with few."""

from __future__ import annotations

from xyfleet.supervisor.supervision.outage import OutageWatch
from xyfleet.supervisor.supervision.outage_values import PLATFORM, Group
from xyfleet.worker.causes import Cause


def fleet(size: int) -> OutageWatch:
    """Return a watch that knows so many connected accounts of the direct way."""
    watch = OutageWatch()
    for n in range(size):
        watch.stands(f"d{n}", None, None, 0.0)
    return watch


def dies(watch: OutageWatch, name: str, *, failing: bool = True) -> bool:
    """Let a login die; return whether an outage begins by it."""
    begun = watch.stands(name, None, Cause.AUTH, 1.0)
    return bool(begun + watch.stands(name, None, Cause.AUTH, 2.0, failing=failing))


def test_dead_logins_are_their_own_trouble_once_somebody_gets_in() -> None:
    """Reviewer's 13: of 8 logins two died and can't be mended; while others get tokens, a third is no outage."""
    watch = fleet(8)
    assert not dies(watch, "d0")
    assert not dies(watch, "d1")
    watch.somebody_got_in()
    assert not dies(watch, "d0")
    assert not dies(watch, "d1")
    assert not dies(watch, "d2")
    watch.somebody_got_in()

    assert not dies(watch, "d3")
    assert watch.outages == {}


def test_logins_that_die_together_are_everybodys() -> None:
    """Without anybody who got in meanwhile, three of eight are an outage, whether their hooks failed or not."""
    watch = fleet(8)
    assert [dies(watch, f"d{n}") for n in range(3)] == [False, False, True]


def test_somebody_who_gets_in_ends_an_outage_of_dead_logins() -> None:
    """Whoever is down by then is down for himself, and nobody suffers from the outage any more."""
    watch = fleet(3)
    assert [dies(watch, f"d{n}") for n in range(3)] == [False, False, True]
    watch.somebody_got_in()

    assert watch.empty() == list(watch.outages.values())


def test_who_comes_back_and_dies_again_counts_again() -> None:
    """An own trouble is over with the connection, and with a new cookie."""
    watch = fleet(3)
    dies(watch, "d0")
    watch.somebody_got_in()
    watch.stands("d0", None, None, 3.0)

    assert [dies(watch, f"d{n}") for n in range(3)] == [False, False, True]


def test_canaries_take_turns_over_outages_too() -> None:
    """Reviewer's 13: who was sent in the outage before comes after those who never were."""
    watch, sent = fleet(3), []
    names = ["d0", "d1", "d2"]
    for _ in range(4):
        for name in names:
            watch.stands(name, None, Cause.AUTH, 1.0)
        (outage,) = watch.outages.values()
        canary = watch.canaries.choose(names)
        assert canary is not None
        sent.append(canary)
        watch.canaries.send(outage, canary, 1.0)
        watch.over(outage, 2.0)
        assert watch.canaries.of(canary) == []
        for each in names:
            watch.stands(each, None, None, 2.0)

    assert sent == ["d0", "d1", "d2", "d0"]


def test_a_new_login_passes_until_it_fails() -> None:
    """In an outage of logins the owner's good cookie is tried at once; a bad one waits like the others."""
    watch = fleet(3)
    for n in range(3):
        dies(watch, f"d{n}")
    assert watch.gates("d1", None) == (False, True)
    watch.let_pass("d1")
    assert watch.gates("d1", None) == (False, False)
    assert watch.gates("d2", None) == (False, True)
    watch.tried("d1")

    assert watch.gates("d1", None) == (False, True)


def test_the_platform_counts_ways_not_accounts() -> None:
    """Three of one way are that way's; one more of another way makes it the platform's, and back again."""
    watch = OutageWatch()
    for way in "pq":
        for n in range(4):
            watch.stands(f"{way}{n}", way, None, 0.0)
    for n in range(3):
        watch.stands(f"p{n}", "p", Cause.NETWORK, 1.0)
    assert set(watch.outages) == {("p", Group.REACH)}
    watch.stands("q0", "q", Cause.NETWORK, 1.0)
    assert (PLATFORM, Group.REACH) in watch.outages
    for name, way in (("p0", "p"), ("p1", "p"), ("p2", "p"), ("q0", "q")):
        watch.stands(name, way, None, 2.0)

    assert len(watch.empty()) == 2
    assert not watch._tally._counts[PLATFORM].ways[Group.REACH]
