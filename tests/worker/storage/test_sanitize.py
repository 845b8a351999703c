"""Nothing odd in a message, its time or its payload, keeps it out of the store."""

from __future__ import annotations

from typing import Any

import pytest

from support.stores import NOW, add, incoming
from xyfleet.worker.protocol.message import rfc3339
from xyfleet.worker.storage.message_store import MessageStore

pytestmark = pytest.mark.pythons


@pytest.mark.parametrize("time", [None, -1, 253_402_300_800_000, 1 << 70])
def test_a_time_that_is_none(store: MessageStore, time: int | None) -> None:
    """Where the server says no time, it is now."""
    (row,) = add(store, incoming("1.PNM", time=time))

    assert row.message.time == rfc3339(NOW)


@pytest.mark.parametrize("raw", [{"a": "\ud800"}, {1, 2}, {"a": object}, 1 << 80, b"\xff", float("nan")])
def test_nothing_odd_costs_a_message(store: MessageStore, raw: Any) -> None:
    """Payloads that JSON can't say, and texts that are no Unicode, are stored as near as can be."""
    (row,) = add(store, incoming("1.PNM", text="a\ud800\0b", raw=raw))

    assert row.message.text == "a?\0b"
    assert store.row(1) == row


def test_deep_payloads(store: MessageStore) -> None:
    """A payload nested without end does not cost the message either."""
    deep: list[Any] = []
    deep.append(deep)

    assert [row.message.raw for row in add(store, incoming("1.PNM", raw=deep))] == ["[[...]]"]
