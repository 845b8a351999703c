"""A token that `/reg` refuses, and a new one that takes its time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.gateway import Gateway
from support.station import UNB, Station, token, until
from xyfleet.worker.ipc.messages import Queued, Stop, Ticket
from xyfleet.worker.reasons import words
from xyfleet.worker.states import State

S = State


async def test_waiting_for_a_new_token_is_no_attempt(gateway: Gateway, tmp_path: Path) -> None:
    """While the supervisor says that it takes a while the account is RECONNECTING, with the reason, uncounted (M14)."""
    waits = lambda request: Queued(request=request.request, why=words("the day's budget is spent"))  # noqa: E731
    station = Station(gateway.endpoint, tmp_path, answer=waits)
    gateway.fault(kind="reg_401", once=True)
    async with station:
        change = await station.reach(S.RECONNECTING)
        for _ in range(4):  # as the supervisor does, every few seconds
            station.say(Queued(request=station.requests[-1].request, why=words("the day's budget is spent")))
            await asyncio.sleep(0.1)
        assert station.state is S.RECONNECTING
        assert station.last.failures == 0
        assert change.cause is None
        assert (
            str(change.reason) == "/reg refused: 401 invalid token; waiting for a new token: the day's budget is spent"
        )
        await until(lambda: station.requests)
        station.say(Ticket(request=station.requests[-1].request, serial=2, token=token(), fresh=True))
        await station.reach(S.CONNECTED)

    assert station.states == [S.DISCONNECTED, S.CONNECTING, S.RECONNECTING, S.CONNECTING, S.CONNECTED, S.CLOSED]
    assert gateway.stats(UNB)["dials"] == 2


async def test_stopping_while_waiting_for_a_new_token(gateway: Gateway, tmp_path: Path) -> None:
    """A stop ends the wait like any other."""
    waits = lambda request: Queued(request=request.request)  # noqa: E731
    station = Station(gateway.endpoint, tmp_path, answer=waits)
    gateway.fault(kind="reg_401", once=True)
    async with station:
        await station.reach(S.RECONNECTING)
        station.say(Stop())
        await asyncio.wait_for(asyncio.shield(station.task), 3)

    assert station.states == [S.DISCONNECTED, S.CONNECTING, S.RECONNECTING, S.CLOSED]
