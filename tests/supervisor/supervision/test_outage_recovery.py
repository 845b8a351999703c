"""Outages carried out on real accounts: whose end ends what, and whose gates stand how."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from support.jobs import until
from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account import FleetPorts, SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Action, Event, Kind
from xyfleet.supervisor.supervision.account_state import Condition, Worker
from xyfleet.supervisor.supervision.outage import PLATFORM, Group
from xyfleet.supervisor.supervision.outage_recovery import OutageRecovery
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Go
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.secret import Secret

P, Q = Secret("socks5://p:1"), Secret("socks5://q:1")


class World:
    """Accounts that are connected, with ways that answer or not."""

    def __init__(self, ways: dict[str, Secret | None]) -> None:
        self.members: dict[str, SupervisedAccount] = {}
        self.asked: list[str] = []
        self.silent: set[Secret | None] = set()
        self.told: list[str] = []
        self.recovery = OutageRecovery(self.members, self._probe, self._note, lambda: None)
        for name, way in ways.items():
            ports = FleetPorts(
                rules=lambda: RestartRules(has_hook=True),
                go=lambda member: msgspec.json.decode(b"{}", type=Go),
                carry_out=self._carry_out,
                stands=self.recovery.stands,
                failed=lambda member, event: None,
                heard=lambda member, child, message: None,
                changed=lambda member, change: None,
                gone=lambda member, child: None,
            )
            account = Account(name=name, where="f:1", proxy=way)
            member = SupervisedAccount(account, Condition(worker=Worker.LIVE, up=True), ports)
            self.members[name] = member
            self.recovery.stands(member)

    async def _probe(self, proxy: Secret | None) -> Reason | None:
        return words("silent") if proxy in self.silent else None

    def _note(self, account: str | None, kind: str, to: str, facts: dict[str, Any]) -> None:
        self.told.append(to)

    def _carry_out(self, member: SupervisedAccount, action: Action) -> None:
        if isinstance(action, do.AskHook):
            self.asked.append(member.name)

    def lose(self, name: str, cause: Cause) -> None:
        """Let an account's connection end, and its worker give up."""
        member = self.members[name]
        for kind in (Kind.LOST, Kind.FAILED):
            member.was_down = member.failed_again = True
            member.happened(Event(kind=kind, cause=cause))

    def connect(self, name: str) -> None:
        """Let an account connect."""
        member = self.members[name]
        member.was_down, member.just_connected = False, True
        member.happened(Event(kind=Kind.CONNECTED))

    def end(self, way: object, group: Group) -> None:
        """Let an outage's probe be answered."""
        self.recovery._over(self.recovery.watch.outages[way, group], words("answered"), time.monotonic())

    @property
    def outages(self) -> set[tuple[object, Group]]:
        """The outages that go on."""
        return set(self.recovery.watch.outages)


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
