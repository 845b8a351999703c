"""What the supervisor says to an account: reconnect, new settings, stop, and silence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from support.gateway import Gateway
from support.station import FAST, FAST_PACE, UNB, Station, read_log, slow_retry, token, until
from xyfleet.worker.causes import Cause
from xyfleet.worker.connection import writer
from xyfleet.worker.ipc.messages import Apply, Queued, Reconnect, Stop, Ticket, TicketRequest
from xyfleet.worker.settings import LogSettings
from xyfleet.worker.states import State
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.telemetry.log_texts import SOCKET_ERROR, LogText

S = State

pytestmark = pytest.mark.pythons


# What the supervisor says.


async def test_reconnect_ends_a_wait(gateway: Gateway, tmp_path: Path) -> None:
    """ "Reconnect now" ends the delay at once."""
    async with Station(gateway.endpoint, tmp_path, slow_retry(30.0)) as station:
        await station.reach(S.CONNECTED)
        gateway.drop(UNB, "none")
        await station.reach(S.RECONNECTING)
        began = time.monotonic()
        station.say(Reconnect(why="the gateway is back"))
        await station.reach(S.CONNECTED, 2)

    assert time.monotonic() - began < 2


async def test_reconnect_revives(gateway: Gateway, tmp_path: Path) -> None:
    """FAILED waits for "reconnect now", then begins anew with all counters at zero."""
    gateway.fault(kind="reg_then_close", after=0)
    async with Station(gateway.endpoint, tmp_path) as station:
        await station.reach(S.FAILED)
        station.say(Apply(settings=station.settings))
        await asyncio.sleep(0.3)
        assert station.state is S.FAILED
        gateway.clear()
        station.say(Reconnect(why="refreshed", stale=True))
        await station.reach(S.CONNECTED, 6)
        report = station.last

    revived = next(change for change in station.changes if change.old is S.FAILED)
    assert (revived.new, str(revived.reason)) == (S.RECONNECTING, "refreshed")
    assert station.requests[-1].stale == 1
    assert report.failures == 0


async def test_reconnect_drops_a_live_connection(gateway: Gateway, tmp_path: Path) -> None:
    """With new credentials the live connection is ended politely and a new one made; no failure is counted."""
    async with Station(gateway.endpoint, tmp_path) as station:
        await station.reach(S.CONNECTED)
        station.say(Reconnect(why="new cookie", stale=True))
        await station.reach(S.CONNECTED, 2)
        await until(lambda: station.last.window.reconnects)
        report = station.last

    lost = next(change for change in station.changes if change.new is S.RECONNECTING)
    assert (lost.cause, str(lost.reason)) == (None, "new cookie")
    assert (report.failures, report.window.reconnects_by_cause) == (0, {"asked": 1})
    assert station.requests == [TicketRequest(request=1, stale=1)]
    assert gateway.stats(UNB)["closes"] == {"1000": 2}
    assert gateway.stats(UNB)["overlaps"] == 0


async def test_reconnect_without_drop(gateway: Gateway, tmp_path: Path) -> None:
    """Without `drop` a live connection stays."""
    async with Station(gateway.endpoint, tmp_path) as station:
        await station.reach(S.CONNECTED)
        station.say(Reconnect(why="outage over", drop=False))
        await asyncio.sleep(0.3)

        assert station.state is S.CONNECTED
    assert gateway.stats(UNB)["dials"] == 1


class Eager(AccountLog):
    """A log that has something done in the moment of a certain line."""

    then: Callable[[], None]

    def say(self, line: LogText, **fields: object) -> None:
        """Write the line and act on it."""
        super().say(line, **fields)
        if line is SOCKET_ERROR:
            self.then()


async def test_reconnect_while_a_connection_dies(gateway: Gateway, tmp_path: Path) -> None:
    """A "reconnect now" that comes while a connection is just being lost still ends the wait after it."""
    station = Station(gateway.endpoint, tmp_path, slow_retry(30.0))
    log = station.log = Eager("a0", station.settings.log)
    async with station:
        log.then = lambda: station.cycle.receive(Reconnect(why="now"))
        await station.reach(S.CONNECTED)
        gateway.drop(UNB, "none")
        await station.reach(S.CONNECTED, 2, timeout=3)

    assert station.changes[2].cause is Cause.CLOSED


async def test_reconnect_while_a_ticket_is_awaited(gateway: Gateway, tmp_path: Path) -> None:
    """New credentials make a request that is on its way worthless: another one says that the token is stale."""
    async with Station(gateway.endpoint, tmp_path, answer=lambda request: None) as station:
        await station.reach(S.CONNECTED)
        gateway.drop(UNB, "none")
        await until(lambda: station.requests)
        station.say(Reconnect(why="new cookie", stale=True))
        await until(lambda: len(station.requests) == 2)
        station.say(Ticket(request=1, serial=1, token=token()))
        await asyncio.sleep(0.6)
        assert station.state is S.RECONNECTING
        station.say(Ticket(request=2, serial=2, token=token(), fresh=True))
        await station.reach(S.CONNECTED, 2)

    assert [request.stale for request in station.requests] == [None, 1]


async def test_new_settings(gateway: Gateway, tmp_path: Path) -> None:
    """New settings end a wait, and take effect without a new connection."""
    async with Station(gateway.endpoint, tmp_path, slow_retry(30.0)) as station:
        await station.reach(S.CONNECTED)
        gateway.drop(UNB, "none")
        await station.reach(S.RECONNECTING)
        quiet = LogSettings(dir=str(tmp_path), format="json", beats=False)
        station.say(Apply(settings=station.apply(cycle=FAST, log=quiet)))
        await station.reach(S.CONNECTED, 2)
        beats = len(read_log(tmp_path, "心跳包已发送"))
        sent = station.last.window.sent
        slower = msgspec.structs.replace(FAST, heartbeat_interval=5.0, heartbeat_timeout=10.0)
        station.say(Apply(settings=station.apply(cycle=slower, log=quiet)))
        await asyncio.sleep(0.5)

        assert len(read_log(tmp_path, "心跳包已发送")) == beats
        assert station.last.window.sent <= sent + 2
        assert station.state is S.CONNECTED
    assert gateway.stats(UNB)["dials"] == 2


# Leaving.


@pytest.mark.timing
@pytest.mark.parametrize("moment", ["ticket", "dial", "reg", "connected", "wait", "failed", "renew", "stalled"])
async def test_stops_from_everywhere(
    gateway: Gateway, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop ends every state within the time that a polite close may take, in CLOSED."""
    monkeypatch.setattr(writer, "CLOSE_TIMEOUT", 0.4)
    faults = {
        "dial": {"kind": "half_open"},
        "reg": {"kind": "never_reg"},
        "failed": {"kind": "reg_then_close", "after": 0},
        "renew": {"kind": "reg_401"},
    }
    if moment in faults:
        gateway.fault(**faults[moment])  # type: ignore[arg-type]
    patient = msgspec.structs.replace(FAST, register_timeout=20.0, open_timeout=20.0)
    cycle = slow_retry(30.0) if moment == "wait" else patient
    silent = FAST_PACE if moment == "failed" else msgspec.structs.replace(FAST_PACE, answer_timeout=30.0)
    answer = None if moment == "failed" else lambda request: Queued(request=request.request)
    async with Station(
        gateway.endpoint, tmp_path, cycle, pace=silent, carried=moment != "ticket", answer=answer
    ) as station:
        await _reach_moment(station, gateway, moment)
        began = time.monotonic()
        station.say(Stop())
        await asyncio.wait_for(station.task, 5)
        took = time.monotonic() - began
        await until(lambda: station.state is S.CLOSED)

    assert took < (1.4 if moment == "stalled" else 0.5)
    assert str(station.changes[-1].reason) == "stopped by the supervisor"


async def _reach_moment(station: Station, gateway: Gateway, moment: str) -> None:
    if moment in ("ticket", "renew"):
        await until(lambda: station.requests)
    elif moment in ("dial", "reg"):
        await station.reach(S.CONNECTING)
        await asyncio.sleep(0.1)
    elif moment == "failed":
        await station.reach(S.FAILED)
    else:
        await station.reach(S.CONNECTED)
        if moment == "wait":
            gateway.drop(UNB, "none")
            await station.reach(S.RECONNECTING)
        elif moment == "stalled":
            gateway.fault(UNB, kind="stall", connections="live")


async def test_supervisor_gone(gateway: Gateway, tmp_path: Path) -> None:
    """When the other ends of the pipes close, the worker leaves at once, without a polite close."""
    async with Station(gateway.endpoint, tmp_path) as station:
        await station.reach(S.CONNECTED)
        station.hang_up()
        await asyncio.wait_for(station.task, 1)

    assert station.gone[0] == "the supervisor is gone"
    await until(lambda: gateway.stats(UNB)["sockets"] == 0)
    assert gateway.stats(UNB)["closes"] == {"none": 1}


async def test_nobody_reads_the_reports(gateway: Gateway, tmp_path: Path) -> None:
    """A supervisor that reads nothing costs no heartbeat; when it reads again it hears of the newest state."""
    cycle = msgspec.structs.replace(FAST, heartbeat_interval=0.01, heartbeat_timeout=0.5)
    station = Station(gateway.endpoint, tmp_path, cycle)
    station.reading = False
    async with station:
        await until(lambda: len(read_log(tmp_path, "心跳响应正常")) > 250, timeout=20)
        before = gateway.stats(UNB)["answers"]
        gateway.drop(UNB, "none")
        await until(lambda: gateway.stats(UNB)["answers"] > before + 20)
        station.listen()
        await until(lambda: station.last.generation == 2)
        changes = station.changes

    assert [change.new for change in changes] == [S.CONNECTING, S.CONNECTED, S.RECONNECTING, S.CONNECTING, S.CONNECTED]
