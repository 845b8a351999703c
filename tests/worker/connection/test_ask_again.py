"""A request for a ticket that nobody answers is not the last one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from support.station import FAST_PACE, until
from xyfleet.worker.connection.tickets import TicketClient
from xyfleet.worker.connection.wait import InterruptibleWait
from xyfleet.worker.ipc.messages import Queued, Ticket, TicketRequest
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import LogSettings
from xyfleet.worker.telemetry.account_log import AccountLog

PACE = msgspec.structs.replace(FAST_PACE, answer_timeout=0.05, ask_again=0.3)


async def test_silence_is_asked_again_under_the_same_number(tmp_path: Path) -> None:
    """Without a token in hand a worker waits, and asks again after a long silence; its number stays (finding 28)."""
    requests: list[TicketRequest] = []
    log = AccountLog("a0", LogSettings(dir=str(tmp_path)))
    client = TicketClient(requests.append, InterruptibleWait(), PACE, log, None)
    task = asyncio.create_task(client.get(0.0))
    await until(lambda: len(requests) == 3)
    ticket = Ticket(request=1, serial=1, token=Secret("x"))
    client.take(ticket)

    assert await task == ticket
    assert requests == [TicketRequest(request=1)] * 3
    log.close()


async def test_queued_is_an_answer(tmp_path: Path) -> None:
    """Who hears "queued" from time to time does not ask again."""
    requests: list[TicketRequest] = []
    log = AccountLog("a0", LogSettings(dir=str(tmp_path)))
    client = TicketClient(requests.append, InterruptibleWait(), PACE, log, None)
    task = asyncio.create_task(client.get(0.0))
    for _ in range(8):
        await asyncio.sleep(0.1)
        client.take(Queued(request=1))
    client.take(Ticket(request=1, serial=1, token=Secret("x")))
    await task

    assert len(requests) == 1
    log.close()
