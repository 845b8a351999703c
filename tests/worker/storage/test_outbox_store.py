"""The outbox of an account's store: to whom a text goes, and the way of a letter."""

from __future__ import annotations

from typing import Any

import pytest

from support.stores import NOW, add, incoming, letter, own
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.results import OutgoingMessage

pytestmark = pytest.mark.pythons


def test_to_whom_a_text_goes(store: MessageStore) -> None:
    """Without a receiver it is for the person who wrote last; nobody there: there is no letter."""
    add(
        store,
        incoming("1.PNM", sender="old", time=NOW - 5),
        incoming("2.PNM", sender="platform", kind="system", time=NOW + 5),
        incoming("3.PNM", sender="platform", kind="system", conversation="c2"),
        own("4.PNM", time=NOW + 9),
    )
    letters = [store.queue(f"u{talk}", talk, None, "x", NOW).letter for talk in ("c1", "c2", "c3")]
    named = store.queue("u4", "c3", "somebody", "x", NOW).letter

    assert [None if each is None else each.receiver for each in [*letters, named]] == [
        "old",
        "platform",
        None,
        "somebody",
    ]
    assert store.queue("u4", "c3", "somebody", "x", NOW).letter == named


def test_the_way_of_a_letter(store: MessageStore) -> None:
    """Queued, sending, queued again when it is known not to have arrived, sent."""
    store.queue("u1", "c1", "b", "first", NOW)
    store.queue("u2", "c1", "b", "second", NOW)
    store.sending(1, "u1b", 0)
    on_its_way, following = letter(store), store.next_queued(NOW)
    store.requeue(1, "try again")
    queued = store.next_queued(NOW)
    store.sending(1, "u1b", 1)
    store.settle(1, "sent", "9.PNM", None, NOW)
    store.settle(1, "failed", None, "late", NOW)
    store.requeue(1, "late")
    store.sending(1, "late", 2)

    assert (on_its_way.state, on_its_way.uuid, on_its_way.attempt) == ("sending", "u1b", 1)
    assert following is not None
    assert following.number == 2
    assert queued is not None
    assert (queued.number, queued.reason) == (1, "try again")
    assert letter(store) == OutgoingMessage(1, "u1b", "c1", "b", "first", None, "sent", 2, "9.PNM", None, NOW)
    assert store.letter(3) is None


@pytest.mark.parametrize("state", ["rejected", "failed", "unknown"])
def test_ends_of_a_letter(store: MessageStore, state: Any) -> None:
    """How it ended is kept with the reason, and it is not sent again."""
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "u1", 0)
    store.settle(1, state, None, "why", NOW)

    assert (letter(store).state, letter(store).reason) == (state, "why")
    assert store.next_queued(NOW) is None
    assert store.figures().unsent == 0
