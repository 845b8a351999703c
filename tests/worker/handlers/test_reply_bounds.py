"""Replies without end, and those that can't be sent, are dead letters that a person hears of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from support.shop import ECHO, Shop, chat, clean_imports

pytestmark = pytest.mark.pythons


@pytest.fixture(autouse=True)
def _imports(tmp_path: Path) -> Iterator[None]:
    with clean_imports(tmp_path):
        yield


async def test_replies_of_a_conversation_are_bounded(tmp_path: Path) -> None:
    """Two programs that answer each other come to an end: dead letters, a line, and what `status` can say (C2)."""
    async with Shop(tmp_path, ECHO, reply_limit=3, reply_limit_window=600.0) as shop:
        await shop.add(*(chat(f"{number}.PNM") for number in range(6)))
        order = msgspec.structs.replace(chat("order"), kind="order")
        await shop.add(order, chat("other.PNM", talk="c2"))
        states = {id_: row.state for id_, row in (await shop.settled()).items()}

        assert states == dict.fromkeys(("0.PNM", "1.PNM", "2.PNM", "order", "other.PNM"), "done") | dict.fromkeys(
            ("3.PNM", "4.PNM", "5.PNM"), "failed"
        )
        assert "3.PNM" not in [id_ for id_, _ in shop.seen]
        assert shop.dispatcher.bounded == "c1"

    assert shop.log_file.read_text("utf-8").count("自动回复过多，该会话的消息转入死信") == 3


async def test_a_bound_is_over_in_time(tmp_path: Path) -> None:
    """When the time is over, the conversation is answered again, and nothing is said of it any more (C2)."""
    async with Shop(tmp_path, ECHO, reply_limit=1, reply_limit_window=0.3) as shop:
        await shop.add(chat("1.PNM"), chat("2.PNM"))
        await shop.settled()
        assert shop.dispatcher.bounded == "c1"
        await shop.until(lambda: shop.dispatcher.bounded is None)
        await shop.add(chat("3.PNM"))

        assert (await shop.settled())["3.PNM"].state == "done"


async def test_a_reply_that_cannot_be_sent(tmp_path: Path) -> None:
    """It is a dead letter and a warning, not a line that nobody looks at (X2)."""
    async with Shop(tmp_path, ECHO) as shop:
        await shop.add(chat("order:1", talk=None))
        row = (await shop.settled())["order:1"]

        assert (row.state, row.reason) == ("failed", "no conversation to reply in")

    line = next(line for line in shop.log_file.read_text("utf-8").splitlines() if "自动回复无法发送" in line)
    assert '"level":"WARNING"' in line
