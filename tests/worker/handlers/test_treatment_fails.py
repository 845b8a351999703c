"""What the owner's code raises, and what goes wrong in our own treatment, never leaves a message hanging."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.shop import ECHO, Shop, chat, clean_imports
from xyfleet.worker.handlers.base import CheckedAnswer, Handler
from xyfleet.worker.protocol.message import Message

pytestmark = pytest.mark.pythons
HALF = "\\ud83d"


@pytest.fixture(autouse=True)
def _imports(tmp_path: Path) -> Iterator[None]:
    with clean_imports(tmp_path):
        yield


async def test_half_an_emoji_in_an_error(tmp_path: Path) -> None:
    """An error with half an emoji in it is an error as any other: repeated, then a dead letter (H3)."""
    code = f"async def answer(message, account):\n    raise ValueError('cut {HALF}')\n"
    async with Shop(tmp_path, code, handler_retries=1) as shop:
        await shop.add(chat("1.PNM"))
        row = (await shop.settled())["1.PNM"]

        assert (row.state, row.message.attempt) == ("failed", 2)

    assert shop.log_file.read_text("utf-8").count("消息处理失败") == 2


async def test_half_an_emoji_in_an_import(tmp_path: Path) -> None:
    """An import that fails with such a text is tried again, and works once the file is mended (H3)."""
    async with Shop(tmp_path, f"raise ValueError('cut {HALF}')\n") as shop:
        await shop.add(chat("1.PNM"))
        await shop.until(lambda: shop.handler.trouble)
        (tmp_path / f"{shop.module}.py").write_text(ECHO + "# mended\n")

        assert (await shop.settled())["1.PNM"].state == "done"


class _Odd(Handler):
    """Answers with what the dispatcher can't treat."""

    trouble = None

    def start(self) -> None:
        """Do nothing."""

    async def ready(self) -> None:
        """It is."""

    async def call(self, message: Message, timeout: float) -> CheckedAnswer | None:
        """Return what no outbox takes; or fail, after whatever was done."""
        if message.id == "3.PNM":
            raise LookupError("ours")
        return object() if message.id == "1.PNM" else None  # type: ignore[return-value]

    async def close(self) -> None:
        """Do nothing."""


async def test_a_fault_of_ours(tmp_path: Path) -> None:
    """When our own treatment of a call fails, the message is a dead letter with the reason, and others go on (H3)."""
    async with Shop(tmp_path, handler=_Odd()) as shop:
        await shop.add(chat("1.PNM"), chat("2.PNM", talk="c2"), chat("3.PNM", talk="c3"))
        rows = await shop.settled()

        assert [rows[f"{number}.PNM"].state for number in (1, 2, 3)] == ["parked", "done", "parked"]
        assert rows["3.PNM"].reason == "a fault in xyfleet: LookupError"
        assert str(rows["1.PNM"].reason).startswith("a fault in xyfleet: ")
