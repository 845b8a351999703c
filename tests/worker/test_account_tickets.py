"""An account's tickets: tokens refused, renewed, late or never to be had, and kick-outs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.gateway import Gateway
from support.station import FAST_PACE, UNB, Station, dials, gaps, read_log, token, until
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Down, Queued, Reconnect, Refusal, Ticket, TicketRequest
from xyfleet.worker.reasons import words
from xyfleet.worker.states import State

S = State

pytestmark = pytest.mark.pythons


async def test_refused_token_is_renewed_once(gateway: Gateway, tmp_path: Path) -> None:
    """A 401 on a token that is not new gets a new one within the same attempt; no failure is counted."""
    station = Station(gateway.endpoint, tmp_path)
    gateway.fault(kind="reg_401", once=True)
    async with station:
        await station.reach(S.CONNECTED)
        report = station.last

    assert station.states == [S.DISCONNECTED, S.CONNECTING, S.CONNECTED, S.CLOSED]
    assert station.requests == [TicketRequest(request=1, stale=1)]
    assert report.failures == 0
    assert min(gaps(gateway.stats(UNB)["dial_times"])) >= FAST_PACE.dial_gap / 2


async def test_fresh_token_refused(gateway: Gateway, tmp_path: Path) -> None:
    """When a token of this very attempt is refused too, the attempt has failed; each attempt asks for one new token."""
    gateway.fault(kind="reg_401")
    async with Station(gateway.endpoint, tmp_path) as station:
        change = await station.reach(S.FAILED)

    assert (change.cause, str(change.reason)) == (Cause.REFUSED, "/reg refused: 401 invalid token")
    assert [request.stale for request in station.requests] == [1, 2, 3, 4, 5]
    assert gateway.stats(UNB)["dials"] == 6


async def test_no_new_token_to_be_had(gateway: Gateway, tmp_path: Path) -> None:
    """A 401 and then silence from the supervisor ends the attempt; it is not dialled with the refused token."""
    gateway.fault(kind="reg_401")
    async with Station(gateway.endpoint, tmp_path, answer=lambda request: None) as station:
        change = await station.reach(S.RECONNECTING)
        await asyncio.sleep(1.0)

    assert change.cause is Cause.REFUSED
    assert station.states[-2] is S.RECONNECTING
    assert gateway.stats(UNB)["dials"] == 1


@pytest.mark.parametrize("cause", [Cause.AUTH, Cause.RISK])
async def test_fatal_refusal_of_a_ticket(gateway: Gateway, tmp_path: Path, cause: Cause) -> None:
    """A dead login or risk control on the token call means FAILED at once, through RECONNECTING, without a dial."""

    def refuse(request: TicketRequest) -> Down:
        return Refusal(request=request.request, cause=cause, reason=words("the token call says no"))

    async with Station(gateway.endpoint, tmp_path, carried=False, answer=refuse) as station:
        await station.reach(S.FAILED)
        await asyncio.sleep(0.3)

    assert station.states == [S.DISCONNECTED, S.CONNECTING, S.RECONNECTING, S.FAILED, S.CLOSED]
    assert {change.cause for change in station.changes[1:3]} == {cause}
    assert len(station.requests) == 1
    assert gateway.stats()["dials"] == 0


async def test_refused_tickets_count(gateway: Gateway, tmp_path: Path) -> None:
    """A ticket refused for a passing reason is a failed attempt; its delay is the cause's."""

    def refuse(request: TicketRequest) -> Down:
        return Refusal(request=request.request, cause=Cause.NETWORK, reason=words("token call not reachable"))

    async with Station(gateway.endpoint, tmp_path, carried=False, answer=refuse) as station:
        await station.reach(S.FAILED)

    assert len(station.requests) == 5
    assert str(station.changes[-2].reason) == "token call not reachable"


async def test_queued_for_long(gateway: Gateway, tmp_path: Path) -> None:
    """As long as the supervisor says "queued", nothing is dialled without its permission."""
    async with Station(gateway.endpoint, tmp_path, answer=lambda request: None) as station:
        await station.reach(S.CONNECTED)
        gateway.drop(UNB, "none")
        await until(lambda: station.requests)
        for _ in range(10):
            station.say(Queued(request=1, why=words("outage")))
            await asyncio.sleep(0.1)
        assert station.state is S.RECONNECTING
        station.say(Ticket(request=1, serial=1, token=token()))
        await station.reach(S.CONNECTED, 2)

    assert gateway.stats(UNB)["dials"] == 2


@pytest.mark.timing
async def test_frozen_supervisor_fails_open(gateway: Gateway, tmp_path: Path) -> None:
    """With no answer of any kind and a token in hand the worker dials by itself, and not again too soon."""
    async with Station(gateway.endpoint, tmp_path, answer=lambda request: None) as station:
        await station.reach(S.CONNECTED)
        gateway.drop(UNB, "none")
        await station.reach(S.CONNECTED, 2)
        gateway.drop(UNB, "none")
        await station.reach(S.CONNECTED, 3)
    lost = [change.time for change in station.changes if change.new is S.RECONNECTING]
    again = dials(station)

    # The delay (0.05 s, at least the gap of 0.1 s), the silence of 0.2 s, and the delay once more.
    assert 0.25 <= again[1] - lost[0] < 0.6
    assert again[2] - again[1] >= FAST_PACE.fail_open_every - 0.05
    assert len(read_log(tmp_path, "主管进程无应答，使用现有令牌连接")) == 2


async def test_late_answer_brings_a_newer_token(gateway: Gateway, tmp_path: Path) -> None:
    """What a supervisor that thaws answers to an old request is no permission, but its newer token is kept."""
    async with Station(gateway.endpoint, tmp_path, answer=lambda request: None) as station:
        await station.reach(S.CONNECTED)
        gateway.drop(UNB, "none")
        await station.reach(S.CONNECTED, 2)
        station.say(Ticket(request=1, serial=7, token=token()))
        station.say(Reconnect(why="new token", stale=True))
        await until(lambda: len(station.requests) == 2)

        assert station.requests[1].stale == 7


async def test_kick_outs(gateway: Gateway, tmp_path: Path) -> None:
    """A kick-out asks for a new token; the third within the window means a rival, FAILED at once."""
    async with Station(gateway.endpoint, tmp_path) as station:
        for number in (1, 2, 3):
            await station.reach(S.CONNECTED, number)
            gateway.fault(UNB, kind="kickout")
            await station.reach(S.RECONNECTING, number)
        change = await station.reach(S.FAILED)

    assert [request.stale for request in station.requests] == [1, 2]
    causes = [change.cause for change in station.changes if change.new is S.RECONNECTING]
    assert causes == [Cause.CLOSED, Cause.CLOSED, Cause.RIVAL]
    assert str(change.reason) == "kicked out 3 times within 5 s"


async def test_session_removed(gateway: Gateway, tmp_path: Path) -> None:
    """A session that was ended elsewhere is FAILED at once: a person decides."""
    async with Station(gateway.endpoint, tmp_path) as station:
        await station.reach(S.CONNECTED)
        gateway.fault(UNB, kind="session_remove")
        change = await station.reach(S.FAILED)

    assert change.cause is Cause.REMOVED
    assert gateway.stats(UNB)["dials"] == 1
