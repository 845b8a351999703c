"""Outages of many accounts with a proxy each (reviewer's 12), and of accounts without a login hook (10)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from support.jobs import until
from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.supervision.account import FleetPorts, SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.account_state import Condition, Login, Worker
from xyfleet.supervisor.supervision.outage_recovery import OutageRecovery
from xyfleet.supervisor.supervision.outage_values import Group
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.supervisor.supervision.way_probes import PROBES
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.secret import Secret


class World:
    """Connected accounts, with a proxy each or without any, whose ways answer or not."""

    def __init__(self, size: int, *, proxied: bool, hook: bool = True) -> None:
        self.members: dict[str, SupervisedAccount] = {}
        self.silent = True
        self.probes: list[float] = []
        self.told: list[str] = []
        self.recovery = OutageRecovery(self.members, self._probe, self._note, lambda: None)
        for number in range(size):
            ports = FleetPorts(
                rules=lambda: RestartRules(has_hook=hook),
                go=lambda member: pytest.fail("nobody starts"),
                carry_out=lambda member, action: None,
                stands=self.recovery.stands,
                failed=lambda member, event: None,
                heard=lambda member, child, message: None,
                changed=lambda member, change: None,
                gone=lambda member, child: None,
            )
            proxy = Secret(f"socks5://p{number}:1") if proxied else None
            account = Account(name=f"a{number}", where="f:1", proxy=proxy)
            member = SupervisedAccount(account, Condition(worker=Worker.LIVE, up=True), ports)
            self.members[member.name] = member
            self.recovery.stands(member)

    async def _probe(self, proxy: Secret | None) -> Reason | None:
        self.probes.append(time.monotonic())
        await asyncio.sleep(0.02)
        return words("silent") if self.silent else None

    def _note(self, account: str | None, kind: str, to: str, facts: dict[str, Any]) -> None:
        self.told.append(to)

    async def lose(self, member: SupervisedAccount, cause: Cause) -> None:
        """Let an account's connection end, and its worker give up, as the fleet hears of it."""
        member.was_down = member.failed_again = True
        member.happened(Event(kind=Kind.LOST, cause=cause))
        await self.recovery.look_whose_trouble(member, cause)
        self.recovery.up_to_date(member)
        member.failed_again = True
        member.happened(Event(kind=Kind.FAILED, cause=cause))

    def logins(self) -> set[Login]:
        """Return where the accounts' logins stand."""
        return {member.condition.login for member in self.members.values()}


async def worst_lag(found: list[float]) -> None:
    """Note the loop's worst lag."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        found[0] = max(found[0], time.perf_counter() - began - 0.005)


@pytest.mark.timing
async def test_a_proxy_for_each_of_1500_blocks_nobody() -> None:
    """The network of all is gone and comes back: the loop serves others meanwhile, and probes are paced over all."""
    world, lag = World(1500, proxied=True), [0.0]
    watching = asyncio.create_task(worst_lag(lag))
    running = asyncio.create_task(world.recovery.run())
    losing = []
    for number, member in enumerate(world.members.values()):
        losing.append(asyncio.create_task(world.lose(member, Cause.NETWORK)))
        if number % 20 == 0:
            await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.gather(*losing), 10)
    assert all(member.condition.reach_gate for member in world.members.values())
    passing = [asyncio.create_task(world.recovery.pass_reach(each)) for each in world.members.values()]
    began = world.probes[0]
    await asyncio.sleep(1.0)
    assert len(world.probes) <= PROBES[1] + PROBES[0] * (time.monotonic() - began) + 1
    world.silent = False
    await asyncio.wait_for(asyncio.gather(*passing), 20)
    assert not world.recovery.watch.outages
    watching.cancel()
    running.cancel()
    await asyncio.wait([watching, running])
    assert lag[0] < 1.0


async def test_who_is_told_late_acts_on_no_old_gate() -> None:
    """Of more accounts than are told at once the last ask for no login in the moment before they are told."""
    world = World(300, proxied=False)
    for number in range(90):
        member = world.members[f"a{number}"]
        member.was_down = member.failed_again = True
        member.happened(Event(kind=Kind.LOST, cause=Cause.AUTH))
    assert list(world.recovery.watch.outages) == [(None, Group.LOGIN)]
    last = world.members["a299"]
    assert not last.condition.login_gate
    await world.lose(last, Cause.AUTH)

    assert (last.condition.login, last.condition.waits_for) == (Login.HOOK_WAITING, "outage")
    await until(lambda: all(member.condition.login_gate for member in world.members.values()))


async def test_without_a_hook_an_outage_sends_nobody_to_a_person() -> None:
    """Reviewer's 10: "session expired" to all begins an outage, one goes ahead at a time, and its success ends it."""
    world = World(6, proxied=False, hook=False)
    for number in range(6):
        await world.lose(world.members[f"a{number}"], Cause.AUTH)
    (outage,) = world.recovery.watch.outages.values()
    assert world.logins() == {Login.HOOK_WAITING}
    world.recovery._send_canary(outage, time.monotonic())
    canary = world.members[outage.canary or ""]
    assert canary.condition.login is Login.FINE
    await world.lose(canary, Cause.AUTH)
    assert outage.canary is None
    assert world.logins() == {Login.HOOK_WAITING}
    world.recovery._send_canary(outage, outage.next_try)
    second = world.members[outage.canary or ""]
    assert second is not canary
    second.was_down, second.just_connected = False, True
    second.happened(Event(kind=Kind.DIALS))
    second.just_connected = True
    second.happened(Event(kind=Kind.CONNECTED))

    assert not world.recovery.watch.outages
    assert world.logins() == {Login.FINE}


async def test_without_a_hook_a_dead_login_waits_for_a_person() -> None:
    """One of many is his own trouble, and stays it; so are those who died while others got in."""
    world = World(8, proxied=False, hook=False)
    for number in range(4):
        await world.lose(world.members[f"a{number}"], Cause.AUTH)
        world.recovery.token_given(world.members["a0"])

    assert not world.recovery.watch.outages
    assert [world.members[f"a{n}"].condition.login for n in range(4)] == [Login.PERSON] * 4


async def test_a_canary_that_is_gone_holds_nobody() -> None:
    """Finding 33: a canary removed, or whose files were deleted, is called back; what was known of it is forgotten."""
    world = World(4, proxied=False)
    for number in range(4):
        await world.lose(world.members[f"a{number}"], Cause.AUTH)
    (outage,) = world.recovery.watch.outages.values()
    world.recovery._send_canary(outage, time.monotonic())
    name = outage.canary
    assert name is not None
    del world.members[name]
    world.recovery.leave(name)

    assert outage.canary is None
    assert world.recovery.watch.canaries.of(name) == []
    assert name not in world.recovery._ways._way_of
