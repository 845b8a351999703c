"""While the platform turns logins away one canary goes ahead for all ways, not one for each."""

from __future__ import annotations

import time

from support.outage_world import World
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.outage_values import PLATFORM, Group, Outage
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret

WAYS = [Secret(f"socks5://p{number}:1") for number in range(4)]
PLATFORMS = (PLATFORM, Group.LOGIN)


def world() -> World:
    """Return connected accounts, ten by each way."""
    return World({f"a{number}": WAYS[number % 4] for number in range(40)})


def turn(found: World) -> list[str]:
    """Let every outage's turn come; return who goes ahead."""
    watch = found.recovery.watch
    for outage in list(watch.outages.values()):
        if outage.canary is None:
            found.recovery._send_canary(outage, max(time.monotonic(), outage.next_try))
    return sorted({outage.canary for outage in watch.outages.values() if outage.canary is not None})


def begun(found: World) -> Outage:
    """Let all logins die; return the platform's outage, which has one for each way beside it."""
    for name in found.members:
        found.lose(name, Cause.AUTH)
    assert found.outages == {PLATFORMS, *((way, Group.LOGIN) for way in WAYS)}
    return found.recovery.watch.outages[PLATFORMS]


def logs_in(found: World, name: str) -> None:
    """Let an account that goes ahead be told that its login is dead, and its hook run."""
    found.lose(name, Cause.AUTH)
    member = found.members[name]
    member.failed_again = False
    member.happened(Event(kind=Kind.HOOK_STARTED, number=member.condition.hook))


async def test_one_goes_ahead_for_all_ways() -> None:
    """Found by scripts/policy (F3): each of ten proxies had a canary of its own, which doubled the needless logins."""
    found = world()
    outage = begun(found)
    assert turn(found) == [outage.canary]
    found.connect(outage.canary or "")

    assert found.outages == set()
    assert not any(member.condition.login_gate for member in found.members.values())


async def test_ways_send_their_own_when_the_platform_has_none() -> None:
    """Two ways of four turn logins away: below 30 % of all."""
    found = world()
    for number in (0, 4, 8, 1, 5, 9):
        found.lose(f"a{number}", Cause.AUTH)
    assert found.outages == {(WAYS[0], Group.LOGIN), (WAYS[1], Group.LOGIN)}
    assert len(turn(found)) == 2


async def test_a_ways_canary_goes_on_for_all() -> None:
    """Two ways were first: of their canaries the one that logs in goes on, for the platform; the other comes back."""
    found = world()
    for number in (0, 4, 8, 1, 5, 9):
        found.lose(f"a{number}", Cause.AUTH)
    first, second = turn(found)
    found.lose(first, Cause.AUTH)
    logs_in(found, second)
    for name in found.members:
        if name not in (first, second):
            found.lose(name, Cause.AUTH)
    outage = found.recovery.watch.outages[PLATFORMS]

    assert (outage.canary, outage.logged_in) == (second, True)
    assert turn(found) == [second]
    assert found.members[first].condition.waits_for == "outage"


async def test_a_canary_that_logged_in_tells_of_its_way_and_of_the_platform() -> None:
    """Dead logins are each its own for a while, by its way too; of the other ways nothing is known."""
    found = world()
    outage = begun(found)
    (name,) = turn(found)
    logs_in(found, name)
    found.connect(name)
    now = time.monotonic()
    way = found.members[name].account.proxy

    assert outage.logged_in
    assert [found.recovery.watch.takes_logins(scope, now) for scope in (PLATFORM, way)] == [True, True]
    assert not any(found.recovery.watch.takes_logins(other, now) for other in WAYS if other != way)
