"""Orders whose handler could not ask the platform: they wait, and are no dead letters of a night's outage."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
import pytest

from support.shop import Shop, chat, clean_imports
from support.webhooks import hook, running
from xyfleet.worker.handlers.call_ends import ORDER_WAITS
from xyfleet.worker.handlers.webhook import WebhookHandler
from xyfleet.worker.ipc.messages import Answered
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.reasons import Reason

ASKS = """
SEEN = []
async def answer(message, account):
    SEEN.append((message.id, message.attempt))
    found = await account.{question}
    return "goods of " + message.order
"""
ORDER = {"item": "900", "id": "51", "title": "", "quantity": 1}


@pytest.fixture(autouse=True)
def _imports(tmp_path: Path) -> Iterator[None]:
    with clean_imports(tmp_path):
        yield


class Served:
    """A web service at an address that answers these statuses, then 204. Use as an asynchronous context manager."""

    def __init__(self, url: str, statuses: list[int]) -> None:
        self._port = urlsplit(url).port
        self._statuses = statuses

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status = self._statuses.pop(0) if self._statuses else 204
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


def paid(id_: str = "1.PNM") -> IncomingItem:
    """Return a card that says an order is paid."""
    return msgspec.structs.replace(chat(id_), kind="card", order="51", order_status="paid", role="seller")


def shop(folder: Path, question: str = "order(message.order)", **settings: Any) -> Shop:
    """Return a shop whose platform can't be asked: an outage is on."""
    quick: dict[str, Any] = {"handler_retries": 1, "handler_retry_delay": 0.005, **settings}
    made = Shop(folder, ASKS.format(question=question), **quick)
    made.answer = Answered(request=0, reason=Reason("ask_outage"))
    return made


async def test_an_order_waits_until_the_platform_can_be_asked(tmp_path: Path) -> None:
    """Calls that could not ask don't count, however many; a person is told, and the goods go out in the end."""
    async with shop(tmp_path) as desk:
        await desk.add(paid())
        await desk.until(lambda: len(desk.seen) == 6)
        desk.answer = Answered(request=0, value=ORDER)
        rows = await desk.settled()

        assert rows["1.PNM"].state == "done"
        assert [text for _, text, _ in await desk.outbox()] == ["goods of 51"]
        assert set(desk.seen) == {("1.PNM", 1)}, "it is the first call all along"
        assert set(desk.alerts) == {ORDER_WAITS}


async def test_a_call_that_has_sent_something_counts(tmp_path: Path) -> None:
    """Who sends the goods and can't mark the order then is called as often as after any error, not without end."""
    question = "send('c1', 'KEY') or await account.ship(message.order)"
    async with shop(tmp_path, question) as desk:
        await desk.add(chat("0.PNM"), paid())
        rows = await desk.settled()

        assert rows["1.PNM"].state == "failed"
        assert [attempt for id_, attempt in desk.seen if id_ == "1.PNM"] == [1, 2]


async def test_an_earlier_wait_is_none(tmp_path: Path) -> None:
    """A question that the handler itself gave up does not excuse that it hangs afterwards."""
    code = ASKS.format(question="order('51')").replace(
        "    found =",
        "    import asyncio\n    try:\n"
        "        async with asyncio.timeout(0.01):\n            await account.order('51')\n"
        "    except TimeoutError:\n        await asyncio.sleep(60)\n    found =",
    )
    async with Shop(tmp_path, code, handler_retries=1, handler_retry_delay=0.005, handler_timeout=0.1) as desk:
        desk.silent = 99
        await desk.add(paid())
        rows = await desk.settled()

        assert (rows["1.PNM"].state, len(desk.seen)) == ("failed", 2)


async def test_an_order_waits_for_an_answer_that_takes_too_long(tmp_path: Path) -> None:
    """A call whose time is over while it waits in the turn of the platform's calls does not count either."""
    async with shop(tmp_path, handler_timeout=0.05) as desk:
        desk.answer, desk.silent = Answered(request=0, value=ORDER), 3
        await desk.add(paid())

        assert (await desk.settled())["1.PNM"].state == "done"


@pytest.mark.parametrize(
    ("reason", "question"),
    [
        ("ask_refused", "order(message.order)"),
        ("ask_unknown", "ship(message.order)"),
        ("ask_late", "call('a', '1', {})"),
    ],
)
async def test_what_is_not_waited_for(tmp_path: Path, reason: str, question: str) -> None:
    """A no of the platform's, a shipment and a free call whose end nobody knows are dead letters after the tries."""
    async with shop(tmp_path, question) as desk:
        desk.answer = Answered(request=0, reason=Reason(reason, {"words": "no", "seconds": 1.0}))
        await desk.add(paid())

        assert (await desk.settled())["1.PNM"].state == "failed"
        assert desk.seen == [("1.PNM", 1), ("1.PNM", 2)]


@pytest.mark.parametrize("status", [None, 429, 503])
async def test_an_order_waits_for_its_webhook(tmp_path: Path, status: int | None) -> None:
    """A service that is not there for a minute, or says that it takes no calls now, has its orders afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    served = Served(url, [] if status is None else [status] * 5)
    with running(tmp_path / "s") as process:
        process.take(a0=hook(url))
        webhook = WebhookHandler(str(tmp_path / "s"), ("test", "a0"), lambda: None, folder=str(tmp_path))
        async with Shop(tmp_path, handler=webhook, handler_retries=1, handler_retry_delay=0.005) as desk:
            await desk.add(paid())
            if status is None:
                await desk.until(lambda: len(desk.alerts) > 4)
            async with served:
                assert (await desk.settled())["1.PNM"].state == "done"
            assert set(desk.alerts) == {ORDER_WAITS}


async def test_talk_has_its_tries(tmp_path: Path) -> None:
    """A text is not waited for: its answer would help nobody by then."""
    async with shop(tmp_path, "item('900')") as desk:
        await desk.add(chat("1.PNM"))

        assert (await desk.settled())["1.PNM"].state == "failed"
