"""A reply that comes back into the queue after the owner has written himself."""

from __future__ import annotations

import pytest

from support.stores import NOW, add, incoming, letter, own
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.results import LetterPart
from xyfleet.worker.storage.schema import TAKEN_OVER

pytestmark = pytest.mark.pythons


def on_its_way(store: MessageStore, kind: str = "text") -> None:
    """Have a reply on its way when the owner writes."""
    add(store, incoming("1.PNM", kind=kind))
    store.begin(1, 0)
    store.finish(1, [LetterPart("reply")], "u1", NOW)
    store.sending(1, "u1", 0)
    add(store, own("2.PNM"))


@pytest.mark.parametrize("reason", ["busy", None])
def test_a_reply_that_did_not_arrive_before_the_owner_wrote_is_dropped(store: MessageStore, reason: str | None) -> None:
    """The server said "later", or the connection ended before it was written: it is no answer any more."""
    on_its_way(store)
    store.requeue(1, reason)
    store.requeue(1, reason)

    assert (letter(store).state, letter(store).reason) == ("failed", TAKEN_OVER)
    assert store.next_queued(NOW) is None


def test_what_answers_an_order_is_sent_all_the_same(store: MessageStore) -> None:
    """What is paid for is delivered, whoever writes beside it."""
    on_its_way(store, kind="order")
    store.requeue(1, "busy")

    assert letter(store).state == "queued"


def test_a_persons_letter_is_sent_all_the_same(store: MessageStore) -> None:
    """Only replies of the handler are dropped."""
    add(store, incoming("1.PNM"))
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "u1", 0)
    add(store, own("2.PNM"))
    store.requeue(1, "busy")

    assert letter(store).state == "queued"


def test_it_waits_again_when_the_owner_had_not_written(store: MessageStore) -> None:
    """What looked like the owner's was the echo of another letter: as a reply that was queued then, it is sent."""
    on_its_way(store)
    store.requeue(1, "busy")
    store.queue("u2", "c1", "b", "typed", NOW)
    store.sending(2, "u2", 0)
    store.settle(2, "sent", "2.PNM", None, NOW)

    assert letter(store).state == "queued"
