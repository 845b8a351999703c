"""What may wait in the outbox, for how long, and what becomes of a reply when the owner answers by himself."""

from __future__ import annotations

import pytest

from support.stores import NOW, add, incoming, letter, own, stands
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.results import MOST_QUEUED, OUTBOX_FULL, LetterPart

pytestmark = pytest.mark.pythons


def replied(store: MessageStore, *numbers: int) -> None:
    """Have messages that the handler answered."""
    for number in numbers:
        add(store, incoming(f"{number}.PNM", conversation=f"c{number}"))
        store.begin(store.last_row(), 0)
        store.finish(store.last_row(), [LetterPart("reply")], f"u{number}", NOW)


def test_a_takeover_reaches_the_outbox(store: MessageStore) -> None:
    """M7: replies that wait to be sent are dropped with the conversation, what a person gave is sent."""
    replied(store, 1, 2)
    store.queue("by hand", "c1", None, "x", NOW)
    add(store, own("9.PNM", conversation="c1", text="I am here"))

    assert [(letter(store, n).state, letter(store, n).reason) for n in (1, 2, 3)] == [
        ("failed", "taken over"),
        ("queued", None),
        ("queued", None),
    ]


def test_a_letter_on_its_way_is_not_taken_back(store: MessageStore) -> None:
    """M7: only its answer tells what becomes of it."""
    replied(store, 1)
    store.sending(1, "-1", 0)
    add(store, own("9.PNM", conversation="c1", text="I am here"))

    assert letter(store).state == "sending"


def test_replies_wait_again_when_it_was_no_takeover(store: MessageStore) -> None:
    """M7: an echo that looked like the owner's takes back what it did, not what an earlier takeover did."""
    replied(store, 1)
    add(store, own("8.PNM", conversation="c1", text="really me"))
    store.db.execute("DELETE FROM pauses")
    store.queue("u", "c1", "buyer", "x", NOW)
    store.sending(2, "-1", 0)
    add(store, incoming("2.PNM", conversation="c1"))
    store.begin(store.last_row(), 0)
    store.finish(store.last_row(), [LetterPart("second reply")], "u2", NOW)
    add(store, own("9.PNM", conversation="c1", text="[x]"))
    before = [letter(store, n).state for n in (1, 2, 3)]
    resumed = store.settle(2, "sent", "9.PNM", None, NOW)

    assert before == ["failed", "sending", "failed"]
    assert resumed
    assert [letter(store, n).state for n in (1, 2, 3)] == ["failed", "sent", "queued"]


def test_only_so_many_letters_wait(store: MessageStore) -> None:
    """Bounds: one more is refused; a reply more is a dead letter; when some are sent there is room again."""
    for number in range(MOST_QUEUED):
        store.queue(f"q{number}", "c1", "b", "x", NOW)
    refused = store.queue("more", "c1", "b", "x", NOW)
    replied(store, 1)
    stood = stands(store)
    known = store.queue("q1", "c1", "b", "x", NOW)
    store.settle(1, "failed", None, None, NOW)

    assert (refused.letter, refused.refused) == (None, "full")
    assert stood == ("failed", OUTBOX_FULL)
    assert known.letter is not None
    assert store.queue("more", "c1", "b", "x", NOW).letter is not None
