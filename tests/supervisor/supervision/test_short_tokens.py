"""Tokens that live for a shorter time than their dial waits: each request costs two calls at most."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from support.tokens import FREE, TLS, Clock, cookie_of
from support.tokenserver import TokenServer
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.settings import Account, Fleet, FleetRate
from xyfleet.supervisor.supervision.account import FleetPorts, SupervisedAccount
from xyfleet.supervisor.supervision.account_state import Condition, Worker
from xyfleet.supervisor.supervision.jobs import Jobs
from xyfleet.supervisor.supervision.outage_recovery import OutageRecovery
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.supervisor.supervision.tickets import TicketIssuer
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.worker.ipc.messages import Down, Ticket, TicketRequest
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret

BURST = 10
IDLE = FleetPorts(
    rules=RestartRules,
    go=lambda member: pytest.fail("nobody starts"),
    carry_out=lambda member, action: None,
    stands=lambda member: None,
    failed=lambda member, event: None,
    heard=lambda member, child, message: None,
    changed=lambda member, change: None,
    gone=lambda member, child: None,
)


class Ear:
    """Hears what is sent to a worker."""

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []

    def send(self, message: Down) -> None:
        """Take a message."""
        if isinstance(message, Ticket):
            self.tickets.append(message)


async def answers(proxy: Secret | None) -> Reason | None:
    """Answer each probe."""
    return None


async def test_a_turn_is_kept_for_the_next_token(tmp_path: Path) -> None:
    """Every token is out of date a moment after it came: the second one is handed out with the turn of the first."""
    store, clock, ear = Store(tmp_path), Clock(1e9), Ear()
    store.load([])
    store.adopt("a", cookie_of("a"), "file")
    pace = FleetRate(dials=3, token_calls=0)
    fleet = Fleet(name="f", state_dir=Path("/nowhere"), connect_rate=0, fleet_rate=pace)
    async with TokenServer() as server:
        tokens = TokenService(store, server.url, TLS, FREE, wall=clock)
        recovery = OutageRecovery({}, answers, lambda *_: None, lambda: None)
        issuer = TicketIssuer(tokens, recovery, fleet, Jobs().run)

        async def age() -> None:
            while True:
                known = len(server.calls)
                while len(server.calls) == known:  # noqa: ASYNC110 (the server has no event for it)
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.1)
                clock.now += 1e6

        aging = asyncio.create_task(age())
        members = [
            SupervisedAccount(Account(name=name, where="f:1"), Condition(worker=Worker.LIVE), IDLE)
            for name in [*(f"b{number}" for number in range(BURST)), "a"]
        ]
        for member in members[:BURST]:
            await issuer.dial_turn(member)
        await asyncio.wait_for(issuer.answer(members[-1], cast(Any, ear), TicketRequest(request=7)), 10)
        aging.cancel()
        calls = len(server.calls)
    await store.close()

    assert [ticket.request for ticket in ear.tickets] == [7]
    assert calls == 2
