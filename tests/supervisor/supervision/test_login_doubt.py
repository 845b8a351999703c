"""A dead login waits for what the others are told, if many are still to be told something."""

from __future__ import annotations

from xyfleet.supervisor.supervision.login_doubt import LoginDoubt, Standing

UP, UNANSWERED, DEAD = Standing.UP, Standing.UNANSWERED, Standing.DEAD


def fleet(up: int, unanswered: int) -> LoginDoubt:
    """Return what is known of so many accounts, each with a way of its own."""
    doubt = LoginDoubt()
    for number in range(up + unanswered):
        doubt.stands(f"a{number}", f"way {number}", UP if number < up else UNANSWERED)
    return doubt


def test_a_dead_login_of_a_quiet_fleet_is_its_own() -> None:
    """The others are connected: nobody has to say anything."""
    doubt = fleet(10, 0)
    for number in range(2):
        doubt.stands(f"a{number}", f"way {number}", DEAD)
    assert not doubt.doubts("way 0")


def test_a_dead_login_among_many_unanswered_may_be_everybodys() -> None:
    """All lost their connections, and the first answer is "session expired"; each answer of that kind says so too."""
    doubt = fleet(0, 10)
    for number in range(9):
        doubt.stands(f"a{number}", f"way {number}", DEAD)
        assert doubt.doubts("way 0")
    doubt.stands("a9", "way 9", DEAD)
    assert not doubt.doubts("way 0"), "all have been told; now it is an outage, or it is not"


def test_who_gets_in_ends_the_doubt() -> None:
    """Logins are taken, so the dead one is its own; until another one dies."""
    doubt = fleet(0, 10)
    doubt.stands("a0", "way 0", DEAD)
    doubt.got_in("way 1")
    doubt.stands("a1", "way 1", UP)
    assert not doubt.doubts("way 0")
    doubt.stands("a2", "way 2", DEAD)
    assert doubt.doubts("way 0")


def test_few_unanswered_are_no_doubt() -> None:
    """Fewer than 30 % of the scope can't be everybody."""
    doubt = fleet(10, 3)
    doubt.stands("a10", "way 10", DEAD)
    assert not doubt.doubts("way 10")


def test_one_way_of_many_is_a_scope_of_its_own() -> None:
    """Its accounts are all told the same, while those of other ways get in."""
    doubt = LoginDoubt()
    for number in range(20):
        doubt.stands(f"a{number}", number % 4, UNANSWERED if number % 4 == 0 else UP)
    doubt.stands("a0", 0, DEAD)
    doubt.got_in(1)
    assert doubt.doubts(0)
    assert not doubt.doubts(1)


def test_who_left_is_forgotten() -> None:
    """Stopped, removed and held accounts are nobody's sign."""
    doubt = fleet(0, 4)
    doubt.stands("a0", "way 0", DEAD)
    for number in (1, 2, 3):
        doubt.leaves(f"a{number}")
    assert not doubt.doubts("way 0")
