"""Messages as lines for people: an order's state stands beside the platform's words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from xyfleet.supervisor.presentation.message_text import MessageStyle, Shown, lines


@pytest.mark.parametrize(("language", "words"), [("en", "order 51 paid:"), ("zh", "订单 51 已付款：")])
def test_orders_say_their_state(language: str, words: str) -> None:
    """A card shows which order it is about and what became of that, beside the platform's words."""
    card = Shown(
        account="a",
        id="1.PNM",
        kind="card",
        text="[我已付款，等待你发货]",
        order="51",
        order_status="paid",
        time="2026-01-01T00:00:00Z",
    )
    (line,) = lines(card, MessageStyle(language, UTC), datetime(2026, 1, 1, tzinfo=UTC))

    assert line.endswith(f"{words} [我已付款，等待你发货]")
