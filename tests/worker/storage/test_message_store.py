"""Messages in an account's store: what is new, and what the handler is asked."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import Any

import pytest

from support.stores import ASKS, DAY, NO_HANDLER, NOW, add, incoming, letter, own, stands
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.results import Counts, HandlerRules, LetterPart, OutgoingMessage
from xyfleet.worker.storage.schema import ASKED

pytestmark = pytest.mark.pythons


def test_messages_outlive_the_store(path: str, store: MessageStore) -> None:
    """A file that is opened again has what it had; a path may hold characters that mean something in a URI."""
    add(store, incoming("1.PNM", item="i1", sender_name="买家", raw={"1": ["a", None, 2.5]}))
    store.close()
    odd = os.path.join(os.path.dirname(path), "a#b?c %41.db")
    shutil.move(path, odd)
    with contextlib.closing(MessageStore(odd, "shop-001")) as again:
        row = again.row(1)

    assert row is not None
    assert row.message.raw == {"1": ["a", None, 2.5]}
    assert (row.message.id, row.message.sender_name, row.message.account) == ("1.PNM", "买家", "shop-001")


def test_a_file_that_takes_anothers_place_goes_on_numbering(path: str, store: MessageStore) -> None:
    """Numbers that somebody knows from a file that was taken away are not given again."""
    store.close()
    os.unlink(path)
    with contextlib.closing(MessageStore(path, "a", after=(41, 7))) as made:
        assert (made.last_row(), made.last_number()) == (41, 7)
        assert [row.row for row in add(made, incoming("1.PNM"))] == [42]
        assert made.queue("u", "c1", None, "x", NOW).letter == OutgoingMessage(
            8, "u", "c1", "buyer", "x", None, "queued", 0, None, None, NOW
        )


def test_no_query_reads_whole_tables(store: MessageStore) -> None:
    """What runs with every message uses an index, however large the store is."""
    seen: list[str] = []
    store.db.set_trace_callback(seen.append)
    add(store, incoming("1.PNM"), own("2.PNM", conversation="c2"), own("3.PNM"))
    store.waiting(0, 10)
    store.begin(1, 0)
    store.finish(1, [LetterPart("reply")], "u1", NOW)
    store.next_queued(NOW)
    store.queue("u2", "c1", None, "x", NOW)
    store.sending(1, "u1", 0)
    store.requeue(1, "later")
    store.recover("park", NOW)
    store.recover("retry", NOW)
    store.redo(["1.PNM"])
    store.known(["1.PNM"])
    store.figures()
    store.oldest()
    store.db.set_trace_callback(None)
    queries = [query for query in seen if query.startswith(("SELECT", "UPDATE", "DELETE"))]
    scans = {
        query
        for query in queries
        for *_, step in store.db.execute("EXPLAIN QUERY PLAN " + query)
        if step.startswith("SCAN") and "sqlite_sequence" not in step and "message_id = " not in query
    }

    assert scans == set()
    assert len(queries) > 25


# Adding messages.


def test_adding_what_is_new(store: MessageStore) -> None:
    """Messages get rows in their order; one that is there already, in the same push or before, is dropped."""
    first = add(store, incoming("1.PNM"), incoming("2.PNM"), incoming("1.PNM", text="again"))
    second = add(store, incoming("2.PNM"), incoming("3.PNM"), recovered=True)

    assert [(row.row, row.message.id, row.message.text, row.message.recovered) for row in first + second] == [
        (1, "1.PNM", "hi", False),
        (2, "2.PNM", "hi", False),
        (3, "3.PNM", "hi", True),
    ]
    assert store.known(["1.PNM", "3.PNM", "4.PNM"]) == {"1.PNM", "3.PNM"}
    assert store.figures()._replace(bytes=0, log=0) == Counts(stored=3, waiting=3)
    assert store.oldest() == NOW


@pytest.mark.parametrize(
    ("message", "rules", "state"),
    [
        ({}, ASKS, "waiting"),
        ({"kind": "order", "conversation": None}, ASKS, "waiting"),
        ({}, NO_HANDLER, "kept"),
        ({"kind": "receipt"}, ASKS, "kept"),
        ({"kind": "unknown"}, ASKS, "kept"),
        ({"own": True}, ASKS, "kept"),
        ({"time": NOW - 600_000}, ASKS, "waiting"),
        ({"time": NOW - 600_001}, ASKS, "kept"),
        ({"time": NOW - DAY}, ASKS._replace(max_age=0), "waiting"),
        ({"time": None}, ASKS, "waiting"),
    ],
)
def test_what_waits_for_the_handler(
    store: MessageStore, message: dict[str, Any], rules: HandlerRules, state: str
) -> None:
    """A handler hears of young messages of answerable kinds that others wrote."""
    assert [row.state for row in add(store, incoming("1.PNM", **message), rules=rules)] == [state]


def test_stamps_grow(store: MessageStore) -> None:
    """The time of storing grows from row to row, also when the clock goes back."""
    add(store, incoming("1.PNM"), incoming("2.PNM"))
    add(store, incoming("3.PNM"), now=NOW - DAY)
    add(store, incoming("4.PNM"), now=NOW + 5)
    stamps = [stamp for (stamp,) in store.db.execute("SELECT stamp FROM messages ORDER BY row")]

    assert stamps == [NOW, NOW + 1, NOW + 2, NOW + 5]


# The handler.


def test_a_call_and_its_reply(store: MessageStore) -> None:
    """Waiting, calling, done; the reply is in the outbox for who wrote."""
    add(store, incoming("1.PNM"), incoming("2.PNM", sender="other"))
    begun = store.begin(1, 0)
    number = store.finish(1, [LetterPart("reply")], "u1", NOW)

    assert begun is not None
    assert (begun.state, begun.message.attempt) == ("calling", 1)
    assert number == 1
    assert store.next_queued(NOW) == OutgoingMessage(
        1, "u1", "c1", "buyer", "reply", "1.PNM", "queued", 0, None, None, NOW, to_talk=True
    )
    assert stands(store) == ("done", None)
    assert [row.row for row in store.waiting(0, 10)] == [2]
    assert store.figures()._replace(bytes=0, log=0) == Counts(stored=2, waiting=1, unsent=1)


def test_doing_things_twice(store: MessageStore) -> None:
    """A call begins once, however often that is asked for, and ends once; of what is gone nothing is made."""
    add(store, incoming("1.PNM"))
    begun = [store.begin(1, 0), store.begin(1, 0), store.begin(1, 1), store.begin(99, 0)]
    ended = [
        store.finish(1, [LetterPart("a")], "u1", NOW),
        store.finish(1, [LetterPart("b")], "u2", NOW),
        store.finish(99, [LetterPart("c")], "u3", NOW),
    ]

    assert [row is not None for row in begun] == [True, True, False, False]
    assert ended == [1, None, None]
    assert store.finish(1, [LetterPart("a")], "u1", NOW) == 1
    assert store.last_number() == 1


def test_a_call_that_was_not_made(store: MessageStore) -> None:
    """It does not count as an attempt."""
    add(store, incoming("1.PNM"))
    store.begin(1, 0)
    store.take_back(1, 1)
    store.take_back(1, 1)

    assert [(row.state, row.message.attempt) for row in store.waiting(0, 9)] == [("waiting", 0)]


@pytest.mark.parametrize(("reply", "reason"), [(None, None), ("text", "no conversation to reply in")])
def test_no_reply(store: MessageStore, reply: str | None, reason: str | None) -> None:
    """A call that ends without a text is done; one whose text has nowhere to go leaves a dead letter (X2)."""
    add(store, incoming("1.PNM", conversation=None))
    store.begin(1, 0)

    assert store.finish(1, [LetterPart(reply)] if reply else [], "u1", NOW) is None
    assert stands(store) == ("failed" if reason else "done", reason)


def test_calls_that_fail(store: MessageStore) -> None:
    """Attempts count up; the last failure makes a dead letter, which a person can have called again."""
    add(store, incoming("1.PNM"), incoming("2.PNM"))
    add(store, incoming("3.PNM"), rules=NO_HANDLER)
    store.begin(1, 0)
    store.again(1, NOW)
    attempt = store.begin(1, 1)
    store.give_up(1, "failed", "it raised")
    store.give_up(2, "parked", "by hand")
    stood = [stands(store, row) for row in (1, 2, 3)]
    dead = store.figures().dead
    counts = [store.redo(["1.PNM", "3.PNM", "no.PNM"]), store.redo([]), store.redo([])]

    assert attempt is not None
    assert attempt.message.attempt == 2
    assert stood == [("failed", "it raised"), ("parked", "by hand"), ("kept", None)]
    assert dead == 2
    assert counts == [1, 1, 0]
    assert [(row.row, row.reason, row.message.attempt) for row in store.waiting(0, 9)] == [(1, ASKED, 2), (2, ASKED, 0)]


def test_no_other_call_after_the_owner_took_over(store: MessageStore) -> None:
    """A message whose call fails while its owner writes is his from then on."""
    add(store, incoming("1.PNM"))
    store.begin(1, 0)
    add(store, incoming("2.PNM", own=True, text="I am here"))

    assert not store.again(1, NOW)
    assert stands(store) == ("kept", "taken over")


def test_what_is_not_waiting_can_not_be_given_up(store: MessageStore) -> None:
    """A message that is done stays done."""
    add(store, incoming("1.PNM"), rules=NO_HANDLER)
    store.give_up(1, "failed", "x")
    store.again(1, NOW)

    assert stands(store) == ("kept", None)


@pytest.mark.parametrize(("on_unknown", "state"), [("park", "parked"), ("retry", "waiting")])
def test_after_a_crash(store: MessageStore, on_unknown: Any, state: str) -> None:
    """A call of which nobody knows the end is parked or tried again; a letter on its way is never sent again."""
    add(store, incoming("1.PNM"), incoming("2.PNM"))
    store.begin(1, 0)
    for number in (1, 2):
        store.queue(f"u{number}", "c1", None, "x", NOW)
    store.sending(1, "u1", 0)
    store.recover(on_unknown, NOW)

    assert [stands(store, row)[0] for row in (1, 2)] == [state, "waiting"]
    assert [letter(store, number).state for number in (1, 2)] == ["unknown", "queued"]
    assert store.figures().unsent == 1


def test_pages_of_what_waits(store: MessageStore) -> None:
    """Waiting messages come in their order, from behind a row on."""
    add(store, *(incoming(f"{number}.PNM") for number in range(1, 8)))

    assert [row.row for row in store.waiting(2, 3)] == [3, 4, 5]


def test_meta(store: MessageStore) -> None:
    """Numbers are kept under names."""
    store.set_meta("caught_up", 1)
    store.set_meta("caught_up", 2)

    assert (store.meta("caught_up"), store.meta("floor")) == (2, None)


def test_open_messages_are_counted_as_they_move(store: MessageStore) -> None:
    """Whatever happens to them: the number that is kept is that of the rows."""
    add(store, *(incoming(f"{number}.PNM") for number in range(8)))
    add(store, incoming("kept.PNM"), rules=NO_HANDLER)
    store.begin(1, 0)
    store.finish(1, [], "u1", NOW)
    store.begin(2, 0)
    store.give_up(3, "failed", "x")
    store.give_up(4, "parked", "x")
    store.redo(["2.PNM"])
    store.recover("park", NOW)
    store.db.execute("DELETE FROM messages WHERE row = 8")
    rows = store.db.execute("SELECT state, count(*) FROM messages WHERE state NOT IN ('done', 'kept') GROUP BY state")
    figures = store.figures()

    assert dict(rows.fetchall()) == {"waiting": 4, "parked": 2}
    assert (figures.waiting, figures.dead) == (4, 2)


def test_a_file_of_an_older_version_is_counted_when_it_is_opened(path: str, store: MessageStore) -> None:
    """Its open messages are in the figures."""
    add(store, incoming("1.PNM"), incoming("2.PNM"))
    store.give_up(1, "failed", "x")
    for name in ("tally_in", "tally_move", "tally_out"):
        store.db.execute(f"DROP TRIGGER {name}")
    store.db.execute("DROP TABLE tallies")
    store.close()
    with contextlib.closing(MessageStore(path, "shop-001")) as again:
        figures = again.figures()

    assert (figures.waiting, figures.dead) == (1, 1)
