"""What is old leaves an account's store in small steps, and the file shrinks."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from support.stores import DAY, NO_HANDLER, NOW, add, incoming, own
from xyfleet.worker.storage.message_store import MessageStore

pytestmark = pytest.mark.pythons


def trim(store: MessageStore, **limits: int) -> int:
    """Trim until nothing is left to do, and return the steps."""
    steps = 1
    while store.trim(**{"now": NOW + 2 * DAY, "before": 0, "most_bytes": 1 << 40, "most_rows": 500} | limits):
        steps += 1
        assert steps < 1000
    return steps


def rows(store: MessageStore) -> list[int]:
    """Return the numbers of all messages."""
    return [row for (row,) in store.db.execute("SELECT row FROM messages ORDER BY row")]


def test_old_messages_go_in_small_steps(store: MessageStore) -> None:
    """Retention deletes what was stored before, at most so many rows a step."""
    add(store, *(incoming(f"{number}.PNM") for number in range(10)), rules=NO_HANDLER)
    add(store, incoming("a.PNM"), now=NOW + DAY, rules=NO_HANDLER)

    assert trim(store, before=NOW + DAY, most_rows=4) == 3
    assert rows(store) == [11]
    assert store.figures().stored == 11
    assert trim(store, before=NOW + DAY) == 1


def test_what_retention_leaves(store: MessageStore) -> None:
    """What waits for the handler or is with it stays for ever; dead letters as long as other messages."""
    add(store, *(incoming(f"{number}.PNM") for number in range(1, 5)))
    add(store, incoming("5.PNM"), rules=NO_HANDLER)
    store.begin(2, 0)
    store.give_up(3, "failed", "x")
    store.give_up(4, "parked", "x")
    trim(store, before=NOW + DAY)

    assert rows(store) == [1, 2]


def test_what_goes_when_there_is_no_room(store: MessageStore) -> None:
    """Bounds: above the size first what was handled goes, then dead letters, then what waits; never what is called."""
    add(store, *(incoming(f"{number}.PNM", text="x" * 9000) for number in range(1, 5)))
    add(store, incoming("5.PNM", text="x" * 9000), rules=NO_HANDLER)
    store.begin(2, 0)
    store.give_up(3, "failed", "x")
    store.give_up(4, "parked", "x")
    left = []
    for _ in range(4):
        store.trim(now=NOW, before=0, most_bytes=1, most_rows=1)
        left.append(rows(store))

    assert left == [[1, 2, 3, 4], [1, 2, 4], [1, 2], [2]]


def test_rows_of_the_future_get_old(store: MessageStore) -> None:
    """A clock that once was far ahead does not keep messages for ever, nor those that came after."""
    add(store, incoming("1.PNM"), rules=NO_HANDLER, now=NOW + 400 * DAY)
    add(store, incoming("2.PNM"), rules=NO_HANDLER)
    trim(store, now=NOW)
    add(store, incoming("3.PNM"), rules=NO_HANDLER, now=NOW + DAY)
    trim(store, now=NOW + 2 * DAY, before=NOW + DAY // 2)

    assert rows(store) == [3]


def test_catching_up_does_not_bring_deleted_ones_back(store: MessageStore) -> None:
    """As old as a deleted one is too old for catching up; pushes come in at any age."""
    add(store, incoming("1.PNM", time=NOW - 5), incoming("2.PNM", time=NOW + 10 * DAY), rules=NO_HANDLER)
    trim(store, before=NOW + DAY)
    floor = store.meta("floor")
    caught = add(store, incoming("1.PNM", time=NOW - 5), incoming("3.PNM", time=NOW + 2), now=NOW + 2, recovered=True)
    pushed = add(store, incoming("4.PNM", time=NOW - 5))

    assert floor == NOW + 1  # when the second was stored: its own time is one that has not come
    assert [row.message.id for row in caught + pushed] == ["3.PNM", "4.PNM"]


def test_the_file_shrinks(path: str, store: MessageStore) -> None:
    """Above the size, the oldest go until it is kept, and the file system gets the room back."""
    for batch in range(20):
        add(store, *(incoming(f"{batch}.{n}", text="x" * 5000) for n in range(20)), rules=NO_HANDLER)
    before = store.figures().bytes
    steps = trim(store, most_bytes=500_000, most_rows=100)
    after = store.figures().bytes
    left = rows(store)
    store.close()

    assert before > 2_000_000
    assert steps < 10
    assert 200_000 < after <= 500_000
    assert left == list(range(left[0], 401))
    assert os.path.getsize(path) <= 520_000


def test_a_large_log_does_not_cost_all_messages(path: str, store: MessageStore) -> None:
    """The log beside the file counts, but never for more than half of the room."""
    store.db.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
    for number in range(100):
        add(store, incoming(f"{number}.PNM", text="x" * 5000), rules=NO_HANDLER)
    trim(store, most_bytes=400_000)

    assert os.path.getsize(path + "-wal") > 400_000
    assert 150_000 < store.figures().bytes <= 200_000


def test_old_letters_and_pauses_go_too(store: MessageStore) -> None:
    """What was settled long ago, or never will be; not what is still to be sent."""
    for number, fate in enumerate(["sent", "rejected", "unknown", "queued", "sending"], 1):
        store.queue(f"u{number}", "c1", "b", "x", NOW)
        if fate != "queued":
            store.sending(number, f"u{number}", 0)
        if fate not in ("queued", "sending"):
            settled: Callable[..., object] = store.settle
            settled(number, fate, None, None, NOW + number)
    add(store, own("1.PNM"))
    trim(store, before=NOW + 2)
    first = [number for number in range(1, 6) if store.letter(number)]
    trim(store, before=NOW + DAY, most_rows=1)
    pauses = store.db.execute("SELECT count(*) FROM pauses").fetchone()[0]

    assert (first, [number for number in range(1, 6) if store.letter(number)]) == ([2, 3, 4, 5], [4, 5])
    assert pauses == 0
