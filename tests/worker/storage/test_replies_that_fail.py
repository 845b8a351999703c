"""A reply to an order that did not arrive, or may not have: the order is a dead letter, until the echo comes."""

from __future__ import annotations

import pytest

from support.stores import NOW, add, incoming, own, stands
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.outbox_store import NEVER_LEARNT
from xyfleet.worker.storage.results import LetterPart, Settled


def answered(store: MessageStore, kind: str) -> int:
    """Store a message, answer it, and put the answer on its way; return its number."""
    add(store, incoming("1.PNM", kind=kind))
    store.begin(1, 0)
    number = store.finish(1, [LetterPart("KEY-1")], "u1", NOW)
    assert number is not None
    assert store.sending(number, "-1", 0)
    return number


@pytest.mark.parametrize(
    ("state", "fate"),
    [
        ("rejected", ("failed", "its reply was not sent: CSI_FORBID")),
        ("failed", ("failed", "its reply was not sent: CSI_FORBID")),
        ("unknown", ("parked", NEVER_LEARNT)),
        ("sent", ("done", None)),
    ],
)
def test_an_order_whose_reply_fails(store: MessageStore, state: Settled, fate: tuple[str, str | None]) -> None:
    """It is a dead letter that says why; only a reply that was sent leaves it done."""
    store.settle(answered(store, "card"), state, None, "CSI_FORBID", NOW)

    assert stands(store, 1) == fate


def test_talk_whose_reply_fails(store: MessageStore) -> None:
    """An answer to mere talk is told in the log alone, as ever."""
    store.settle(answered(store, "text"), "rejected", None, "CSI_FORBID", NOW)

    assert stands(store, 1)[0] == "done"


def test_a_crash_in_the_middle_of_sending(store: MessageStore) -> None:
    """The order is parked at the next start; the reply's echo proves that it arrived, and the order is done."""
    answered(store, "order")
    store.recover("park", NOW)
    assert stands(store, 1) == ("parked", NEVER_LEARNT)

    add(store, own("9.PNM", text="KEY-1", time=NOW + 1000))
    assert stands(store, 1) == ("done", None)
