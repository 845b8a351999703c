"""Letters that wait for a moment, made while the clock was ahead: the server's time is known since."""

from __future__ import annotations

import pytest

from support.stores import NOW, add, incoming
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.results import LetterPart

pytestmark = pytest.mark.pythons

AHEAD = 1_200_000


def due(store: MessageStore, now: int) -> int:
    """Return in how many milliseconds the next letter may go."""
    letter = store.next_queued(now)
    assert letter is not None
    return max(0, letter.due - now)


def answered(store: MessageStore, now: int, *parts: LetterPart) -> None:
    """Have a handler answer at this time."""
    add(store, incoming("1.PNM"))
    store.begin(1, 0)
    store.finish(1, list(parts), "u1", now)


def test_a_part_made_while_the_clock_was_ahead_waits_for_its_pause_once(store: MessageStore) -> None:
    """Not until the clock is there again, twenty minutes later."""
    answered(store, NOW + AHEAD, LetterPart("hi", pause=5000))

    assert due(store, NOW) == 5000
    assert due(store, NOW + 2000) == 3000
    assert due(store, NOW + 5000) == 0


def test_a_part_behind_one_that_ended_then_waits_once_too(store: MessageStore) -> None:
    """The pause is from the end of the one before, which was noted by that clock."""
    answered(store, NOW + AHEAD, LetterPart("hi"), LetterPart("you", pause=5000))
    store.sending(1, "u1", 0)
    store.settle(1, "sent", "9.PNM", None, NOW + AHEAD)

    assert due(store, NOW) == 5000
    assert due(store, NOW + 5000) == 0


def test_a_letter_made_while_the_clock_was_ahead_rests_as_long_as_it_is_told(store: MessageStore) -> None:
    """An image that may go better in five seconds is not tried again at once, nor in twenty minutes."""
    store.queue("u1", "c1", "b", "", NOW + AHEAD, image="/p/1.png")
    store.rest(1, NOW + 5000, NOW)

    assert due(store, NOW) == 5000
    assert due(store, NOW + 5000) == 0
