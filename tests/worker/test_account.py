"""An account's whole life against the built-in gateway, with the test as its supervisor."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from support.gateway import Gateway
from support.rawserver import raw_server, receive, registered, serve_on, stop_reading
from support.station import FAST, FAST_PACE, STEP, UNB, Station, read_log, token, until
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Alive, Apply, Down, Queued, Reconnect, Refusal, Stop, Ticket, TicketRequest
from xyfleet.worker.settings import Backoff, Cycle, LogSettings, Retry
from xyfleet.worker.states import State
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.telemetry.log_texts import SOCKET_ERROR, LogText

pytestmark = pytest.mark.pythons

S = State


def gaps(times: list[float]) -> list[float]:
    """Return the time between each two."""
    return [second - first for first, second in itertools.pairwise(times)]


def dials(station: Station) -> list[float]:
    """Return when each attempt began."""
    return [change.time for change in station.changes if change.new is S.CONNECTING]


def slow_retry(seconds: float) -> Cycle:
    """Return settings that wait so long after every failure."""
    step = Backoff(step=seconds, max=seconds)
    return msgspec.structs.replace(FAST, retry=Retry(closed=step, network=step, other=step, jitter=0.0))


# Connecting and losing.


async def test_connects_with_the_ticket_it_carries(gateway: Gateway, tmp_path: Path) -> None:
    """A new worker dials at once, reports each move, and says how its heart does."""
    async with Station(gateway.endpoint, tmp_path) as station:
        await station.reach(S.CONNECTED)
        await until(lambda: station.last.window.answered >= 3)
        report = station.last

    assert station.states == [S.DISCONNECTED, S.CONNECTING, S.CONNECTED, S.CLOSED]
    assert station.requests == []
    assert (report.generation, report.failures, report.cause, report.memory) == (1, 0, None, 5 << 20)
    assert report.window.rtt_mean is not None
    assert report.cpu > 0
    assert gateway.stats(UNB)["closes"] == {"1000": 1}


async def test_asks_for_a_ticket_when_it_carries_none(gateway: Gateway, tmp_path: Path) -> None:
    """Without a ticket nothing is dialled before the answer; the state stays DISCONNECTED meanwhile."""

    def later(request: TicketRequest) -> Down:
        return Queued(request=request.request, why="pacing")

    async with Station(gateway.endpoint, tmp_path, carried=False, answer=later) as station:
        await until(lambda: station.requests)
        await asyncio.sleep(0.3)
        assert station.state is S.DISCONNECTED
        assert gateway.stats()["dials"] == 0
        station.say(Ticket(request=station.requests[-1].request, serial=1, token=token()))
        await station.reach(S.CONNECTED)

    assert station.requests == [TicketRequest(request=1)]


@pytest.mark.parametrize("how", [1000, 1001, 1012, "none", "reset"])
async def test_a_drop_is_healed(gateway: Gateway, tmp_path: Path, how: int | str) -> None:
    """However a connection ends, a clean 1000 included, the account comes back, with the same token."""
    async with Station(gateway.endpoint, tmp_path) as station:
        await station.reach(S.CONNECTED)
        gateway.drop(UNB, how)
        await station.reach(S.CONNECTED, 2)
        await until(lambda: station.last.window.reconnects)
        report = station.last

    lost = next(change for change in station.changes if change.new is S.RECONNECTING)
    assert (lost.old, lost.cause) == (S.CONNECTED, Cause.CLOSED)
    assert report.window.reconnects_by_cause == {"closed": 1}
    assert (report.generation, report.cause, report.reason) == (2, None, None)
    assert [request.stale for request in station.requests] == [None]
    assert gateway.stats(UNB)["overlaps"] == 0


async def test_mute_gateway_is_left(gateway: Gateway, tmp_path: Path) -> None:
    """Unanswered heartbeats end the connection; a new one follows."""
    async with Station(gateway.endpoint, tmp_path) as station:
        await station.reach(S.CONNECTED)
        fault = gateway.fault(UNB, kind="mute")
        change = await station.reach(S.RECONNECTING)
        gateway.clear(fault)
        await station.reach(S.CONNECTED, 2)

    assert (change.cause, change.reason) == (Cause.HEARTBEAT, "no answer to a heartbeat for 0.3 s")


async def test_stall_with_a_full_write_buffer(tmp_path: Path) -> None:
    """A peer that stops reading while megabytes wait is left at once and dialled again."""
    connections: list[ServerConnection] = []

    async def script(connection: ServerConnection) -> None:
        connections.append(connection)
        await registered(connection)
        if len(connections) > 1:
            await serve_on(connection)
        head = {"mid": "1 0", "ua": "x" * 6_000_000}
        await connection.send(json.dumps({"lwp": "/s/sync", "headers": head}))
        await stop_reading(connection)

    patient = msgspec.structs.replace(FAST, heartbeat_timeout=20.0)
    async with (
        raw_server(script, receive_buffer=4096) as endpoint,
        Station(endpoint, tmp_path, patient) as station,
    ):
        await station.reach(S.CONNECTED, 2, timeout=4)
        await until(lambda: station.last.window.answered)

    assert station.changes[2].cause is Cause.HEARTBEAT


async def test_accept_then_drop_reaches_failed(gateway: Gateway, tmp_path: Path) -> None:
    """A gateway that registers and drops for ever is given up after five times, without a storm of dials."""
    gateway.fault(kind="reg_then_close", after=0)
    async with Station(gateway.endpoint, tmp_path) as station:
        change = await station.reach(S.FAILED)
        await asyncio.sleep(0.4)
        report = station.last
    stats = gateway.stats(UNB)

    assert (change.old, change.cause) == (S.RECONNECTING, Cause.CLOSED)
    assert (report.failures, report.next_attempt) == (5, None)
    assert stats["dials"] == 5
    assert min(gaps(dials(station))) >= FAST_PACE.dial_gap


async def test_gap_between_dials_whatever_the_delay(gateway: Gateway, tmp_path: Path) -> None:
    """However short the delays of the settings, two dials lie apart by the gap."""
    hasty = Backoff(step=0.001, max=0.001)
    cycle = msgspec.structs.replace(FAST, retry=Retry(closed=hasty, network=hasty, other=hasty))
    gateway.fault(kind="reg_then_close", after=0)
    async with Station(gateway.endpoint, tmp_path, cycle) as station:
        await station.reach(S.FAILED)

    assert min(gaps(dials(station))) >= FAST_PACE.dial_gap


@pytest.mark.timing
async def test_delays_follow_the_cause(gateway: Gateway, tmp_path: Path) -> None:
    """The wait is the class's of the cause, and `next_attempt` announces it."""
    retry = Retry(closed=STEP, network=Backoff(step=0.3, max=0.3), other=STEP, jitter=0.0)
    gateway.fault(kind="http_status", status=503)
    async with Station(gateway.endpoint, tmp_path, msgspec.structs.replace(FAST, retry=retry)) as station:
        await station.reach(S.CONNECTING, 2)

    lost = next(change for change in station.changes if change.new is S.RECONNECTING)
    announced = next(report.next_attempt for report in station.reports if report.state is S.RECONNECTING)
    assert lost.cause is Cause.NETWORK
    assert announced is not None
    assert announced - lost.time == pytest.approx(0.3, abs=0.02)
    assert 0.3 <= dials(station)[1] - lost.time < 0.5


async def test_failures_end_with_a_proven_connection(gateway: Gateway, tmp_path: Path) -> None:
    """Only a connection that lasts and is answered resets the count, not one that merely registers."""
    async with Station(gateway.endpoint, tmp_path) as station:
        for number in range(1, 4):
            await station.reach(S.CONNECTED, number)
            gateway.drop(UNB, "none")
            await station.reach(S.RECONNECTING, number)
            assert station.last.failures == number
        await station.reach(S.CONNECTED, 4)
        assert station.last.failures == 3
        await until(lambda: station.last.failures == 0)
        connected = (await station.reach(S.CONNECTED, 4)).time
        assert time.time() - connected >= FAST.stable_after
        gateway.drop(UNB, "none")
        await station.reach(S.RECONNECTING, 4)

        assert station.last.failures == 1


async def test_unanswered_old_connection_proves_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """Age without an answer does not reset the count: a mute gateway reaches FAILED."""
    gateway.fault(UNB, kind="mute")
    cycle = msgspec.structs.replace(FAST, stable_after=0.05)
    async with Station(gateway.endpoint, tmp_path, cycle) as station:
        change = await station.reach(S.FAILED)

    assert change.cause is Cause.HEARTBEAT
    assert gateway.stats(UNB)["dials"] == 5


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ({"kind": "never_reg"}, Cause.NETWORK),
        ({"kind": "reg_limit"}, Cause.LIMIT),
        ({"kind": "reg_other"}, Cause.PROTOCOL),
        ({"kind": "http_status", "status": 403}, Cause.REFUSED),
        ({"kind": "refuse"}, Cause.NETWORK),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else str(value),
)
async def test_failed_attempts_count(gateway: Gateway, tmp_path: Path, fault: dict[str, Any], cause: Cause) -> None:
    """Attempts that fail before CONNECTED count like lost connections; FAILED is reached through RECONNECTING."""
    gateway.fault(**fault)
    cycle = msgspec.structs.replace(FAST, register_timeout=0.1, max_connection_failures=2)
    async with Station(gateway.endpoint, tmp_path, cycle) as station:
        await station.reach(S.FAILED)

    dial_and_fail = [S.CONNECTING, S.RECONNECTING]
    assert station.states == [S.DISCONNECTED, *dial_and_fail, *dial_and_fail, S.FAILED, S.CLOSED]
    assert {change.cause for change in station.changes if change.new in (S.RECONNECTING, S.FAILED)} == {cause}


# Tokens and tickets.


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

    assert (change.cause, change.reason) == (Cause.REFUSED, "/reg refused: 401 invalid token")
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
        return Refusal(request=request.request, cause=cause, reason="the token call says no")

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
        return Refusal(request=request.request, cause=Cause.NETWORK, reason="token call not reachable")

    async with Station(gateway.endpoint, tmp_path, carried=False, answer=refuse) as station:
        await station.reach(S.FAILED)

    assert len(station.requests) == 5
    assert station.changes[-2].reason == "token call not reachable"


async def test_queued_for_long(gateway: Gateway, tmp_path: Path) -> None:
    """As long as the supervisor says "queued", nothing is dialled without its permission."""
    async with Station(gateway.endpoint, tmp_path, answer=lambda request: None) as station:
        await station.reach(S.CONNECTED)
        gateway.drop(UNB, "none")
        await until(lambda: station.requests)
        for _ in range(10):
            station.say(Queued(request=1, why="outage"))
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
    assert change.reason == "kicked out 3 times within 5 s"


async def test_session_removed(gateway: Gateway, tmp_path: Path) -> None:
    """A session that was ended elsewhere is FAILED at once: a person decides."""
    async with Station(gateway.endpoint, tmp_path) as station:
        await station.reach(S.CONNECTED)
        gateway.fault(UNB, kind="session_remove")
        change = await station.reach(S.FAILED)

    assert change.cause is Cause.REMOVED
    assert gateway.stats(UNB)["dials"] == 1


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
    assert (revived.new, revived.reason) == (S.RECONNECTING, "refreshed")
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
    assert (lost.cause, lost.reason) == (None, "new cookie")
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
async def test_stops_from_everywhere(gateway: Gateway, tmp_path: Path, moment: str) -> None:
    """A stop ends every state within the time that a polite close may take, in CLOSED."""
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

    assert took < (3.0 if moment == "stalled" else 0.5)
    assert station.changes[-1].reason == "stopped by the supervisor"


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


# Signs of life, sleep, bugs.


@pytest.mark.timing
async def test_signs_of_life(gateway: Gateway, tmp_path: Path) -> None:
    """Where there is nothing else to say, an Alive comes at every interval, in each state."""

    def refuse(request: TicketRequest) -> Down:
        return Refusal(request=request.request, cause=Cause.RISK, reason="verify")

    async with Station(gateway.endpoint, tmp_path, carried=False, answer=refuse, report_interval=0.1) as station:
        await station.reach(S.FAILED)
        await until(lambda: sum(isinstance(message, Alive) for message in station.heard) >= 5)

    assert max(gaps(station.times)) < 0.3


async def test_reports_come_with_beats(gateway: Gateway, tmp_path: Path) -> None:
    """While beats are answered each answer brings a report, and no other message is needed."""
    async with Station(gateway.endpoint, tmp_path) as station:
        await until(lambda: len(station.reports) >= 10)

        assert not any(isinstance(message, Alive) for message in station.heard)


async def test_machine_slept(gateway: Gateway, tmp_path: Path) -> None:
    """After a sleep of the machine the connection is dropped, uncounted, and dialled again."""
    slow = msgspec.structs.replace(FAST, heartbeat_interval=5.0, heartbeat_timeout=10.0)
    always = msgspec.structs.replace(FAST_PACE, suspended_after=-1.0)
    async with Station(gateway.endpoint, tmp_path, slow, pace=always) as station:
        await station.reach(S.CONNECTED, 2)
        await until(lambda: station.last.window.reconnects)
        report = station.last

    lost = next(change for change in station.changes if change.new is S.RECONNECTING)
    assert lost.cause is None
    assert str(lost.reason).startswith("the machine slept for ")
    assert (report.failures, report.window.reconnects_by_cause) == (0, {"suspend": 1})
    assert read_log(tmp_path, "系统曾休眠，重新连接")


async def test_lines_lost_are_told(gateway: Gateway, tmp_path: Path) -> None:
    """A log that can't be written is noted in the reports while it lasts, and the account lives on."""
    (tmp_path / "a0.log").mkdir()
    async with Station(gateway.endpoint, tmp_path) as station:
        await until(lambda: station.last.window.answered >= 2)
        assert station.last.note == "log not written: Is a directory"
        (tmp_path / "a0.log").rmdir()
        await until(lambda: station.last.note is None)

    assert read_log(tmp_path)[0]["event"] == "部分日志未能写入"


async def test_every_move_is_logged(gateway: Gateway, tmp_path: Path) -> None:
    """Each move is one line with the old state, the new state and the reason."""
    async with Station(gateway.endpoint, tmp_path) as station:
        await station.reach(S.CONNECTED)
        gateway.drop(UNB, 1001)
        await station.reach(S.CONNECTED, 2)
    lines = read_log(tmp_path, "连接状态变更")

    assert [(line["old"], line["new"]) for line in lines] == list(itertools.pairwise(map(str, station.states)))
    assert (lines[2]["cause"], lines[2]["reason"]) == ("closed", "closed with 1001")
    assert lines[-1]["reason"] == "end of the test"


async def test_program_error_is_a_cause(tmp_path: Path) -> None:
    """An error nobody thought of is logged with its traceback, counts as `bug`, and is retried."""
    async with Station("ws://127.0.0.1:99999/", tmp_path) as station:
        change = await station.reach(S.FAILED)

    assert (change.cause, change.reason) == (Cause.BUG, "program error: ValueError")
    assert "Traceback" in read_log(tmp_path, "程序错误")[0]["traceback"]


async def test_token_in_a_reason_is_masked(tmp_path: Path) -> None:
    """A server that repeats the token in its refusal does not get it into reports or logs."""

    async def script(connection: ServerConnection) -> None:
        frame = await receive(connection)
        head = {"mid": frame["headers"]["mid"]}
        body = {"reason": f"system is error {frame['headers']['token']}"}
        await connection.send(json.dumps({"code": 500, "headers": head, "body": body}))
        await connection.wait_closed()

    async with raw_server(script) as endpoint, Station(endpoint, tmp_path) as station:
        change = await station.reach(S.RECONNECTING)

    assert change.reason == "/reg refused: 500 system is error ***"
    assert "sim-2200" not in (tmp_path / "a0.log").read_text()
