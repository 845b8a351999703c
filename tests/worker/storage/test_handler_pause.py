"""Who writes to a buyer: what the owner types keeps the handler out, an echo does not."""

from __future__ import annotations

from typing import Any

import pytest

from support.stores import ASKS, DAY, NOW, add, incoming, letter, own, stands
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.outbox_store import ECHO_SLACK
from xyfleet.worker.storage.results import HandlerRules, LetterPart
from xyfleet.worker.storage.schema import TAKEN_OVER

pytestmark = pytest.mark.pythons


def test_the_owner_takes_over(store: MessageStore) -> None:
    """What the owner types keeps the handler out of that conversation, and only of that, for a while."""
    add(store, incoming("1.PNM"), incoming("2.PNM", conversation="c2"), own("3.PNM"))
    add(store, incoming("4.PNM"), incoming("5.PNM", conversation="c2"))
    add(store, incoming("6.PNM", time=NOW + 599_999), now=NOW + 599_999)
    add(store, incoming("7.PNM", time=NOW + 600_000), now=NOW + 600_000)

    assert [stands(store, row) for row in (1, 2, 4, 5, 6, 7)] == [
        ("kept", TAKEN_OVER),
        ("waiting", None),
        ("kept", None),
        ("waiting", None),
        ("kept", None),
        ("waiting", None),
    ]


def test_rows_tell_what_became_of_them_in_the_same_push(store: MessageStore) -> None:
    """A message behind which the owner's answer comes in one push is not handed out as waiting."""
    assert [row.state for row in add(store, incoming("1.PNM"), own("2.PNM"))] == ["kept", "kept"]


@pytest.mark.parametrize(
    ("message", "rules"),
    [
        ({"time": NOW - 600_000}, ASKS),
        ({}, ASKS._replace(takeover=0)),
        ({"kind": "receipt"}, ASKS),
        ({"kind": "system"}, ASKS),
        ({"conversation": None}, ASKS),
    ],
)
def test_what_is_no_takeover(store: MessageStore, message: dict[str, Any], rules: HandlerRules) -> None:
    """An old one, one that nobody typed, or any where takeovers are off: the handler goes on."""
    add(store, incoming("1.PNM"), own("2.PNM", **message), rules=rules)

    assert stands(store) == ("waiting", None)


def test_an_earlier_takeover_does_not_shorten_a_later_one(store: MessageStore) -> None:
    """Found out of order, own messages pause until the last of them is old."""
    add(store, own("1.PNM"), own("2.PNM", time=NOW - 300_000))
    add(store, incoming("3.PNM", time=NOW + 500_000), now=NOW + 500_000)

    assert stands(store, 3) == ("kept", None)


def test_a_reply_to_a_conversation_taken_over_is_dropped(store: MessageStore) -> None:
    """The owner wrote while the handler thought: its reply is not sent."""
    add(store, incoming("1.PNM"))
    store.begin(1, 0)
    add(store, own("2.PNM"))

    assert store.finish(1, [LetterPart("reply")], "u1", NOW) is None
    assert stands(store) == ("done", TAKEN_OVER)
    assert store.next_queued(NOW) is None


def test_an_echo_of_what_was_sent_is_no_takeover(store: MessageStore) -> None:
    """An own message with a letter's id is that letter."""
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "u1", 0)
    store.settle(1, "sent", "9.PNM", None, NOW)
    add(store, own("9.PNM", text="changed"))
    add(store, incoming("10.PNM"))

    assert letter(store).text == "x"
    assert stands(store, 2) == ("waiting", None)


@pytest.mark.parametrize("fate", ["sending", "unknown"])
def test_an_echo_proves_a_letter_sent(store: MessageStore, fate: str) -> None:
    """Conversation and text tell which letter it is, whether or not its answer was lost."""
    for number, text in enumerate(["other", " x", "x"], 1):
        store.queue(f"u{number}", "c1", "b", text, NOW)
        store.sending(number, f"u{number}", 0)
        if fate == "unknown":
            store.settle(number, "unknown", None, "lost", NOW)
    add(store, own("8.PNM", text="x "))
    add(store, own("9.PNM", text="x "))
    add(store, incoming("10.PNM"))

    assert [(letter(store, n).state, letter(store, n).message_id) for n in (1, 2, 3)] == [
        (fate, None),
        ("sent", "8.PNM"),
        ("sent", "9.PNM"),
    ]
    assert stands(store, 3) == ("waiting", None)


def test_an_echo_of_what_was_to_be_sent_again(store: MessageStore) -> None:
    """A server that said: later, and took it all the same: the letter is sent, not sent again, and no takeover."""
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "u1", 0)
    store.requeue(1, "busy")
    add(store, own("9.PNM", text="x"))
    add(store, incoming("10.PNM"))

    assert (letter(store).state, store.next_queued(NOW), store.sending(1, "u1", 0)) == ("sent", None, False)
    assert stands(store, 2) == ("waiting", None)


@pytest.mark.parametrize("crash", [False, True])
def test_an_own_text_long_after_a_letter_of_unknown_end(store: MessageStore, crash: bool) -> None:
    """The owner typed what xyfleet once may have sent: it proves nothing, and he takes over."""
    store.queue("u1", "c1", "b", "在的", NOW)
    store.sending(1, "u1", 0)
    if crash:
        store.recover("park", NOW)
    else:
        store.settle(1, "unknown", None, "lost", NOW)
    add(store, own("9.PNM", text="在的", time=NOW + DAY), now=NOW + DAY)
    add(store, incoming("10.PNM", time=NOW + DAY), now=NOW + DAY)

    assert letter(store).state == "unknown"
    assert stands(store, 2) == ("kept", None)


def test_the_letter_on_its_way_is_meant_first(store: MessageStore) -> None:
    """Of two letters alike, the one that is being sent now is the one that an echo comes from."""
    for number in (1, 2):
        store.queue(f"u{number}", "c1", "b", "x", NOW)
        store.sending(number, f"u{number}", 0)
        store.settle(1, "unknown", None, "lost", NOW)
    store.add([own("9.PNM", text="x")], recovered=False, now=NOW, rules=ASKS)

    assert [letter(store, number).state for number in (1, 2)] == ["unknown", "sent"]


@pytest.mark.parametrize(
    "message", [{"text": "y"}, {"conversation": "c2"}, {"time": NOW - ECHO_SLACK - 1}, {"conversation": None}]
)
def test_what_is_no_echo(store: MessageStore, message: dict[str, Any]) -> None:
    """Another text, another conversation, or a time long before the letter: it is not proved sent."""
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "u1", 0)
    add(store, own("9.PNM", **{"text": "x"} | message), recovered=True)

    assert letter(store).state == "sending"


def test_an_echo_of_a_settled_letter_is_of_no_other(store: MessageStore) -> None:
    """The same text is on its way again when the first one's echo comes: the second's echo is no takeover either."""
    for number in (1, 2):
        store.queue(f"u{number}", "c1", "b", "x", NOW)
        store.sending(number, f"u{number}", 0)
        store.settle(1, "sent", "8.PNM", None, NOW)
    add(store, own("8.PNM", text="x"))
    state = letter(store, 2).state
    store.settle(2, "sent", "9.PNM", None, NOW)
    add(store, own("9.PNM", text="x"))
    add(store, incoming("10.PNM"))

    assert state == "sending"
    assert stands(store, 3) == ("waiting", None)


def test_an_echo_before_its_answer_that_looks_like_the_owners(store: MessageStore) -> None:
    """The server changed the text on the way: when the answer tells the id, the handler goes on."""
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "u1", 0)
    add(store, own("9.PNM", text="[x]"))
    add(store, incoming("10.PNM"))
    store.settle(1, "sent", "9.PNM", None, NOW)
    add(store, incoming("11.PNM"))

    assert [stands(store, row)[0] for row in (2, 3)] == ["kept", "waiting"]
    assert stands(store) == ("kept", None)


def test_what_waited_goes_on_when_it_was_no_takeover(store: MessageStore) -> None:
    """Messages that waited when such an echo came wait again; what an earlier takeover kept stays so."""
    add(store, incoming("1.PNM"))
    add(store, own("2.PNM", text="typed", time=NOW - 599_999))  # all but over
    add(store, incoming("3.PNM"), incoming("4.PNM", conversation="c2"), now=NOW + 1)
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "u1", 0)
    add(store, own("5.PNM", text="[x]"))
    before = [stands(store, row) for row in (1, 3, 4)]
    resumed = store.settle(1, "sent", "5.PNM", None, NOW)

    assert before == [("kept", TAKEN_OVER), ("kept", TAKEN_OVER), ("waiting", None)]
    assert resumed
    assert [stands(store, row) for row in (1, 3)] == [("kept", TAKEN_OVER), ("waiting", None)]
    assert not store.settle(1, "sent", "5.PNM", None, NOW)


def test_an_earlier_takeover_goes_on_when_a_later_one_was_none(store: MessageStore) -> None:
    """The owner is talking to a buyer when such an echo comes: the handler stays out for as long as it would have."""
    add(store, own("1.PNM", text="typed"))
    store.queue("u1", "c1", "b", "x", NOW)
    store.sending(1, "u1", 0)
    add(store, own("2.PNM", text="[x]", time=NOW + 100_000), now=NOW + 100_000)
    store.settle(1, "sent", "2.PNM", None, NOW + 100_000)
    add(store, incoming("3.PNM", time=NOW + 599_999), now=NOW + 599_999)
    add(store, incoming("4.PNM", time=NOW + 600_000), now=NOW + 600_000)

    assert [stands(store, row)[0] for row in (3, 4)] == ["kept", "waiting"]
