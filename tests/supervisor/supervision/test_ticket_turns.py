"""Tickets after an outage: the gate first, the paced turn then (finding 17)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from support.records import change
from support.tokens import TLS, cookie_of
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.settings import Account, Fleet, FleetRate
from xyfleet.supervisor.supervision.account import FleetPorts, SupervisedAccount
from xyfleet.supervisor.supervision.account_state import Condition, Worker
from xyfleet.supervisor.supervision.jobs import Jobs
from xyfleet.supervisor.supervision.outage_recovery import OutageRecovery
from xyfleet.supervisor.supervision.outage_values import Group
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.supervisor.supervision.tickets import TicketIssuer
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.ipc.messages import Down, Go, Ticket, TicketRequest
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.secret import Secret


class Ear:
    """Hears what is sent to a worker, and when."""

    def __init__(self) -> None:
        self.tickets: list[float] = []

    def send(self, message: Down) -> None:
        """Take a message."""
        if isinstance(message, Ticket):
            self.tickets.append(asyncio.get_running_loop().time())


class Desk:
    """A ticket issuer whose accounts have good tokens, and an outage that a test begins and ends."""

    def __init__(self, folder: Path, count: int, fleet: Fleet) -> None:
        self.members: dict[str, SupervisedAccount] = {}
        self.recovery = OutageRecovery(self.members, self._probe, lambda *_: None, lambda: None)
        store = Store(folder)
        store.load([])
        self.tokens = TokenService(store, "http://127.0.0.1:9/", TLS)
        self.issuer = TicketIssuer(self.tokens, self.recovery, fleet, Jobs().run)
        self.ear = Ear()
        ports = FleetPorts(
            rules=RestartRules,
            go=lambda member: cast(Go, None),
            carry_out=lambda member, action: None,
            stands=self.recovery.stands,
            failed=lambda member, event: None,
            heard=lambda member, child, message: None,
            changed=lambda member, change: None,
            gone=lambda member, child: None,
        )
        for number in range(count):
            name = f"a{number}"
            store.adopt(name, cookie_of(name), "file")
            change(store, name, token=Secret("tok"), expires=4e9)
            member = SupervisedAccount(Account(name=name, where="f:1"), Condition(worker=Worker.LIVE), ports)
            self.members[name] = member
            self.recovery.stands(member)

    async def _probe(self, proxy: Secret | None) -> Reason | None:
        return words("silent")

    def begin(self) -> None:
        """Begin an outage of the direct way."""
        self.recovery._begun(cast(Any, self.recovery.watch.silent("a0", 0.0)), None)

    def end(self) -> None:
        """End it."""
        self.recovery._over(self.recovery.watch.outages[None, Group.REACH], words("test"), 1e9)

    def ask(self) -> list[asyncio.Task[None]]:
        """Ask a ticket for each account."""
        child = cast(WorkerProcess, self.ear)
        request = TicketRequest(request=1)
        return [asyncio.create_task(self.issuer.answer(each, child, request)) for each in self.members.values()]


def rate(dials: float) -> Fleet:
    """Return settings with a pace of dials over the fleet, and none by egress."""
    rates = FleetRate(dials=dials, token_calls=0)
    return Fleet(name="f", state_dir=Path("/nowhere"), connect_rate=0, fleet_rate=rates)


async def test_after_an_outage_tickets_are_paced(tmp_path: Path) -> None:
    """Finding 17: nobody's turn goes by while the outage lasts, so those who waited do not all dial at once."""
    desk = Desk(tmp_path, 25, rate(30))
    desk.begin()
    asking = desk.ask()
    await asyncio.sleep(0.6)
    assert desk.ear.tickets == []
    desk.end()
    ended = asyncio.get_running_loop().time()
    await asyncio.wait_for(asyncio.gather(*asking), 5)

    came = [at - ended for at in desk.ear.tickets]
    assert len(came) == 25
    assert sum(at < 0.1 for at in came) <= 13
    assert came[-1] > 0.4


async def test_who_has_his_turn_is_looked_at_again(tmp_path: Path) -> None:
    """An outage that began while he waited for his turn holds his ticket back."""
    desk = Desk(tmp_path, 12, rate(5))
    asking = desk.ask()
    await asyncio.sleep(0.05)
    assert len(desk.ear.tickets) == 10
    assert {reason.code for reason in desk.issuer.waits().values()} == {"wait_dial"}
    desk.begin()
    await asyncio.sleep(0.6)
    assert len(desk.ear.tickets) == 10
    desk.end()
    await asyncio.wait_for(asyncio.gather(*asking), 5)
    assert len(desk.ear.tickets) == 12


async def test_dials_hold_nobody_for_ever(tmp_path: Path) -> None:
    """Finding 30: the last dial of a name is not kept longer than it counts."""
    desk = Desk(tmp_path, 3, rate(0))
    await asyncio.gather(*desk.ask())
    assert len(desk.issuer._last_dial) == 3
    await asyncio.sleep(1.05)
    desk.issuer.keep({None})
    assert desk.issuer._last_dial == {}
