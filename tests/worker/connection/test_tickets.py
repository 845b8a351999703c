"""Tickets: asked for, answered, queued, refused, void, and not answered at all."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from support.station import FAST_PACE, until
from xyfleet.worker.causes import Cause, ConnectionLost
from xyfleet.worker.connection.tickets import TicketClient
from xyfleet.worker.connection.wait import InterruptibleWait, Stopped
from xyfleet.worker.ipc.messages import Queued, Refusal, Ticket, TicketRequest
from xyfleet.worker.reasons import words
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import LogSettings
from xyfleet.worker.telemetry.account_log import AccountLog


class Counter:
    """A desk and the requests that it made."""

    def __init__(self, tmp_path: Path, carried: Ticket | None = None) -> None:
        self.requests: list[TicketRequest] = []
        self.wakeup = InterruptibleWait()
        self.log = AccountLog("a0", LogSettings(dir=str(tmp_path)))
        self.desk = TicketClient(self.requests.append, self.wakeup, FAST_PACE, self.log, carried)


def ticket(request: int, serial: int, *, fresh: bool = False) -> Ticket:
    """Return a ticket whose token tells its serial."""
    return Ticket(request=request, serial=serial, token=Secret(f"token-{serial}"), fresh=fresh)


async def test_carried_ticket_first(tmp_path: Path) -> None:
    """The ticket that the process brought is used once, without asking."""
    counter = Counter(tmp_path, ticket(0, 1))

    assert await counter.desk.get(0.0) == ticket(0, 1)
    assert counter.requests == []


async def test_asking_and_answer(tmp_path: Path) -> None:
    """Each request has its own number, and its answer ends the wait."""
    counter = Counter(tmp_path)
    for number in (1, 2):
        task = asyncio.create_task(counter.desk.get(0.0))
        await until(lambda: len(counter.requests) == number)  # noqa: B023
        counter.desk.take(ticket(number, 1))
        assert await task == ticket(number, 1)

    assert counter.requests == [TicketRequest(request=1), TicketRequest(request=2)]


async def test_answer_to_another_request(tmp_path: Path) -> None:
    """An answer to an older request is no permission, but a newer token in it is kept."""
    counter = Counter(tmp_path, ticket(0, 1))
    await counter.desk.get(0.0)
    counter.desk.take(ticket(9, 5))
    counter.desk.take(ticket(9, 3))
    task = asyncio.create_task(counter.desk.get(0.0))
    await asyncio.sleep(0.01)
    counter.desk.take(Refusal(request=9, cause=Cause.AUTH, reason=words("old")))
    counter.desk.void()
    await asyncio.sleep(0.01)
    counter.desk.take(ticket(2, 6))
    await task

    assert [request.stale for request in counter.requests] == [None, 5]


async def test_refusal(tmp_path: Path) -> None:
    """A refusal raises with its cause; the next request is unaffected."""
    counter = Counter(tmp_path)
    task = asyncio.create_task(counter.desk.get(0.0))
    await asyncio.sleep(0.01)
    counter.desk.take(Refusal(request=1, cause=Cause.RISK, reason=words("verify")))
    with pytest.raises(ConnectionLost, match="risk: verify"):
        await task
    task = asyncio.create_task(counter.desk.get(0.0))
    await asyncio.sleep(0.01)
    counter.desk.take(ticket(2, 1))

    assert await task == ticket(2, 1)


async def test_void_token_is_asked_for_as_stale(tmp_path: Path) -> None:
    """After `void` requests name the stale serial until a newer token came."""
    counter = Counter(tmp_path, ticket(0, 4))
    await counter.desk.get(0.0)
    counter.desk.void()
    for serial in (4, 5, 5):
        task = asyncio.create_task(counter.desk.get(0.0))
        await asyncio.sleep(0.01)
        counter.desk.take(ticket(len(counter.requests), serial))
        await task

    assert [request.stale for request in counter.requests] == [4, 4, None]


async def test_void_before_anything(tmp_path: Path) -> None:
    """Voiding the carried ticket means asking at once, with its serial."""
    counter = Counter(tmp_path, ticket(0, 4))
    counter.desk.void()
    task = asyncio.create_task(counter.desk.get(0.0))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert counter.requests == [TicketRequest(request=1, stale=4)]


async def test_void_with_empty_hands(tmp_path: Path) -> None:
    """Without a token there is nothing that could be stale."""
    counter = Counter(tmp_path)
    counter.desk.void()
    task = asyncio.create_task(counter.desk.get(0.0))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert counter.requests == [TicketRequest(request=1)]


@pytest.mark.timing
async def test_silence_opens_after_doubling_the_delay(tmp_path: Path) -> None:
    """A silent supervisor is waited for, then the delay once more, then the token in hand is used; it is not fresh."""
    counter = Counter(tmp_path, ticket(0, 1, fresh=True))
    await counter.desk.get(0.0)
    began = time.monotonic()

    assert await counter.desk.get(0.15) == ticket(0, 1)
    assert 0.35 <= time.monotonic() - began < 0.6


async def test_opening_is_rare(tmp_path: Path) -> None:
    """Dials without permission are far apart."""
    counter = Counter(tmp_path, ticket(0, 1))
    await counter.desk.get(0.0)
    await counter.desk.get(0.0)
    began = time.monotonic()
    await counter.desk.get(0.0)

    assert time.monotonic() - began >= FAST_PACE.fail_open_every - 0.01


@pytest.mark.timing
async def test_queued_is_an_answer(tmp_path: Path) -> None:
    """A supervisor that says "queued" is alive; its silence counts from its last word."""
    counter = Counter(tmp_path, ticket(0, 1))
    await counter.desk.get(0.0)
    task = asyncio.create_task(counter.desk.get(0.0))
    for _ in range(5):
        await asyncio.sleep(0.1)
        counter.desk.take(Queued(request=1, why=words("pacing")))
    assert not task.done()
    spoke = time.monotonic()
    await task

    assert 0.19 <= time.monotonic() - spoke < 0.4


async def test_queued_is_logged_when_it_changes(tmp_path: Path) -> None:
    """A request that is held back for long is one line for each reason, not one every few seconds."""
    counter = Counter(tmp_path)
    task = asyncio.create_task(counter.desk.get(0.0))
    await asyncio.sleep(0.01)
    for why in ("pacing", "pacing", "outage", "outage", "outage"):
        counter.desk.take(Queued(request=1, why=words(why)))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    counter.log.close()
    lines = (tmp_path / "a0.log").read_text().splitlines()

    assert [line.rpartition("reason=")[2] for line in lines] == ["pacing", "outage"]


async def test_silence_without_a_token(tmp_path: Path) -> None:
    """Without a usable token the patient wait on, the others get nothing."""
    counter = Counter(tmp_path, ticket(0, 1))
    counter.desk.void()

    assert await counter.desk.get(0.0, patient=False) is None
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(counter.desk.get(0.0), 0.5)


async def test_stop_while_waiting(tmp_path: Path) -> None:
    """A stop ends the wait for a ticket."""
    counter = Counter(tmp_path)
    task = asyncio.create_task(counter.desk.get(0.0))
    await asyncio.sleep(0.01)
    counter.wakeup.stop()
    with pytest.raises(Stopped):
        await task
