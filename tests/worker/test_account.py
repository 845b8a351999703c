"""An account's whole life against the built-in gateway, with the test as its supervisor."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from support.gateway import Gateway
from support.rawserver import raw_server, receive, registered, serve_on, stop_reading
from support.station import FAST, FAST_PACE, STEP, UNB, Station, dials, gaps, read_log, token, until
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Alive, Down, Queued, Refusal, Ticket, TicketRequest
from xyfleet.worker.reasons import words
from xyfleet.worker.settings import Backoff, Retry
from xyfleet.worker.states import State

S = State

pytestmark = pytest.mark.pythons


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
        return Queued(request=request.request, why=words("pacing"))

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

    assert (change.cause, str(change.reason)) == (Cause.HEARTBEAT, "no answer to a heartbeat for 0.3 s")


async def test_stall_with_a_full_write_buffer(tmp_path: Path) -> None:
    """A peer that stops reading while megabytes wait is left at once and dialled again."""
    connections: list[ServerConnection] = []

    async def script(connection: ServerConnection) -> None:
        connections.append(connection)
        await registered(connection)
        if len(connections) > 1:
            await serve_on(connection)
        head = {"mid": "1 0", "ua": "x" * 40_000}
        for _ in range(150):  # acks repeat the head
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


# Signs of life, sleep, bugs.


@pytest.mark.timing
async def test_signs_of_life(gateway: Gateway, tmp_path: Path) -> None:
    """Where there is nothing else to say, an Alive comes at every interval, in each state."""

    def refuse(request: TicketRequest) -> Down:
        return Refusal(request=request.request, cause=Cause.RISK, reason=words("verify"))

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
        assert str(station.last.note) == "log not written: Is a directory"
        (tmp_path / "a0.log").rmdir()
        await until(lambda: station.last.note is None)

    assert json.loads((tmp_path / "a0.log").read_text("utf-8").splitlines()[0])["event"] == "部分日志未能写入"


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

    assert (change.cause, str(change.reason)) == (Cause.BUG, "program error: ValueError")
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

    assert str(change.reason) == "/reg refused: 500 system is error ***"
    assert "sim-2200" not in (tmp_path / "a0.log").read_text()
