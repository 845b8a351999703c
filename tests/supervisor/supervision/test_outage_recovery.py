"""Outages carried out on real accounts: whose end ends what, and whose gates stand how."""

from __future__ import annotations

import asyncio

import msgspec

from support.jobs import until
from support.outage_world import World
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Action, Event, Kind
from xyfleet.supervisor.supervision.account_state import Worker
from xyfleet.supervisor.supervision.outage_values import PLATFORM, Group
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret

P, Q = Secret("socks5://p:1"), Secret("socks5://q:1")


def direct(number: int) -> World:
    """Return accounts that go out directly."""
    return World({f"a{n}": None for n in range(number)})


async def test_the_network_back_ends_no_outage_of_logins() -> None:
    """Two outages of one way: the end of the one that is probed leaves the other, and its hooks, where they are."""
    world = direct(12)
    for n in range(4):
        world.lose(f"a{n}", Cause.AUTH)
    for n in range(4, 8):
        world.lose(f"a{n}", Cause.NETWORK)
    assert world.outages == {(None, Group.LOGIN), (None, Group.REACH)}
    before = len(world.asked)
    world.end(None, Group.REACH)

    assert world.outages == {(None, Group.LOGIN)}
    assert world.recovery.watch.empty() == []
    assert len(world.asked) == before


async def test_refused_goes_on_until_somebody_new_is_connected() -> None:
    """15 of 20 are refused: the outage stands, although five are connected still; the first that connects ends it."""
    world = direct(20)
    for n in range(15):
        world.lose(f"a{n}", Cause.REFUSED)
    assert world.outages == {(None, Group.LOGIN)}
    assert world.told == ["begun"]
    assert all(member.condition.login_gate for member in world.members.values())
    world.members["a14"].happened(Event(kind=Kind.DIALS))
    world.connect("a14")

    assert world.outages == set()


async def test_an_account_that_moves_to_a_good_way_goes_on() -> None:
    """Its proxy is dead, a reload gives it another: its gates are those of the new way at once."""
    world = World({**{f"p{n}": P for n in range(4)}, **{f"q{n}": Q for n in range(8)}})
    for n in range(4):
        world.lose(f"p{n}", Cause.NETWORK)
    assert world.outages == {(P, Group.REACH)}
    member = world.members["p0"]
    assert member.condition.reach_gate
    member.account = msgspec.structs.replace(member.account, proxy=Q)
    world.recovery.moved(member)

    assert not member.condition.reach_gate
    assert world.outages == {(P, Group.REACH)}


async def test_the_platforms_end_leaves_a_dead_proxys_outage() -> None:
    """Two ways down are the platform's outage; when it is over, the way that is silent still stays in its own."""
    world = World({**{f"p{n}": P for n in range(4)}, **{f"q{n}": Q for n in range(4)}})
    for n in range(4):
        world.lose(f"p{n}", Cause.NETWORK)
        world.lose(f"q{n}", Cause.NETWORK)
    assert (PLATFORM, Group.REACH) in world.outages
    world.end(PLATFORM, Group.REACH)
    world.end(Q, Group.REACH)

    assert world.outages == {(P, Group.REACH)}
    assert world.recovery.watch.empty() == []
    assert world.members["p1"].condition.reach_gate
    assert not world.members["q1"].condition.reach_gate


async def test_a_fault_in_one_action_ends_nothing_else() -> None:
    """What an account asks for may fail; its other actions, and the events of others, are carried out."""
    world = direct(2)
    member = world.members["a0"]

    def fails(it: SupervisedAccount, action: Action) -> None:
        raise OSError("meant to happen")

    member._ports = member._ports._replace(carry_out=fails)
    member.happened(Event(kind=Kind.COOKIE, why="login"))
    member.happened(Event(kind=Kind.GONE, why="exit"))
    await asyncio.sleep(0)

    assert member.condition.worker is Worker.QUEUED


async def test_a_canary_that_is_removed_ends_nothing() -> None:
    """Finding 33: the account that tries first is taken out of the file; another one goes, and the part runs on."""
    world = direct(8)
    for n in range(4):
        world.lose(f"a{n}", Cause.AUTH)
    (outage,) = world.recovery.watch.outages.values()
    job = asyncio.ensure_future(world.recovery.run())
    try:
        outage.next_try = 0.0
        await until(lambda: outage.canary is not None)
        first = outage.canary
        assert first is not None
        world.members[first].happened(Event(kind=Kind.REMOVED))
        world.recovery.leave(first)
        del world.members[first]
        outage.next_try = 0.0
        await until(lambda: outage.canary not in (None, first))
        assert not job.done()
    finally:
        job.cancel()
        await asyncio.wait([job])
