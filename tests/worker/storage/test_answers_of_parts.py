"""Answers of several letters with pauses between them, and conversations that the handler gives to a person."""

from __future__ import annotations

from support.stores import NOW, add, incoming, letter, own, stands
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.results import LetterPart

PARTS = [LetterPart("one"), LetterPart("two", pause=2000), LetterPart(image="/p/3.png", pause=500)]


def answered(store: MessageStore, id_: str, parts: list[LetterPart], uuid: str, **fields: str) -> int | None:
    """Have a message come, and its call end with an answer."""
    (row,) = add(store, incoming(id_, **fields))
    store.begin(row.row, 0)
    return store.finish(row.row, parts, uuid, NOW)


def next_at(store: MessageStore, now: int) -> tuple[str, int]:
    """Return what is to be sent next and in how many ms."""
    found = store.next_queued(now)
    assert found is not None
    return found.image or found.text, max(0, found.due - now)


def test_each_part_waits_for_the_end_of_the_one_before(store: MessageStore) -> None:
    """The pause begins when the part before has ended, however it did; the same end once more adds nothing."""
    assert answered(store, "1.PNM", PARTS, "u1") == 1
    assert store.finish(1, PARTS, "u1", NOW) == 1
    assert next_at(store, NOW) == ("one", 0)
    store.sending(1, "-1", 0)
    store.settle(1, "sent", "9.PNM", None, NOW + 5000)

    assert next_at(store, NOW + 5000) == ("two", 2000)
    assert next_at(store, NOW + 7000) == ("two", 0)
    store.sending(2, "-2", 0)
    store.settle(2, "rejected", None, "no", NOW + 7000)
    assert next_at(store, NOW + 7100) == ("/p/3.png", 400)
    assert [letter(store, number).reply_to for number in (1, 2, 3)] == ["1.PNM"] * 3


def test_others_pass_a_part_that_rests(store: MessageStore) -> None:
    """Another conversation's letter goes meanwhile; one behind it in its own conversation does not overtake."""
    answered(store, "1.PNM", [LetterPart("one", pause=3000)], "u1")
    answered(store, "2.PNM", [LetterPart("later")], "u2")
    answered(store, "3.PNM", [LetterPart("other")], "u3", conversation="c2")

    assert next_at(store, NOW) == ("other", 0)
    store.sending(3, "-3", 0)
    assert next_at(store, NOW) == ("one", 3000)
    assert next_at(store, NOW - 60_000) == ("one", 3000)  # a clock that was set back


def test_what_a_crash_leaves_of_an_answer(store: MessageStore) -> None:
    """What was on its way is not sent again, what was not is sent."""
    answered(store, "1.PNM", PARTS[:2], "u1")
    store.sending(1, "-1", 0)

    store.recover("park", NOW + 1000)

    assert letter(store).state == "unknown"
    assert next_at(store, NOW + 1000) == ("two", 2000)


def test_a_conversation_given_to_a_person(store: MessageStore) -> None:
    """The answer goes out; talk that waits and that comes is kept for so long; orders go on."""
    (row,) = add(store, incoming("1.PNM"))
    store.begin(1, 0)
    add(store, incoming("2.PNM"), incoming("3.PNM", kind="order", text="paid"))
    assert store.finish(row.row, [LetterPart("soon")], "u1", NOW, 600_000) == 1
    add(store, incoming("4.PNM"))
    add(store, incoming("5.PNM", time=NOW + 600_001), now=NOW + 600_001)

    assert [stands(store, number) for number in range(1, 6)] == [
        ("done", None),
        ("kept", "handed over"),
        ("waiting", None),
        ("kept", None),
        ("waiting", None),
    ]


def test_a_takeover_that_was_none_leaves_the_conversation_to_the_person(store: MessageStore) -> None:
    """An echo that looked like the owner's is taken back without what the handler has decided."""
    add(store, incoming("1.PNM"))
    store.begin(1, 0)
    store.finish(1, [LetterPart("soon")], "u1", NOW, 600_000)
    store.sending(1, "-1", 0)
    add(store, own("9.PNM", text="not the same"))
    store.settle(1, "sent", "9.PNM", None, NOW)

    add(store, incoming("2.PNM"))
    assert stands(store, 3) == ("kept", None)


def test_each_message_of_the_person_begins_the_pause_anew(store: MessageStore) -> None:
    """The handler comes back when the owner has written nothing for `takeover_pause`."""
    add(store, own("8.PNM"))
    add(store, own("9.PNM", time=NOW + 500_000), now=NOW + 500_000)
    add(store, incoming("1.PNM", time=NOW + 900_000), now=NOW + 900_000)
    add(store, incoming("2.PNM", time=NOW + 1_100_001), now=NOW + 1_100_001)

    assert (stands(store, 3)[0], stands(store, 4)[0]) == ("kept", "waiting")
