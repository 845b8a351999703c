"""Orders whose handler could not ask the platform: they wait, and are no dead letters of a night's outage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.shop import Shop, chat, clean_imports
from xyfleet.worker.handlers.call_ends import ORDER_WAITS
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


async def test_talk_has_its_tries(tmp_path: Path) -> None:
    """A text is not waited for: its answer would help nobody by then."""
    async with shop(tmp_path, "item('900')") as desk:
        await desk.add(chat("1.PNM"))

        assert (await desk.settled())["1.PNM"].state == "failed"
