"""The few waiting messages that are kept in mind: order within a conversation, room for the others, nothing lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.handlers.ready_queue import Entry, ReadyQueue, entry_of
from xyfleet.worker.protocol.message import Message
from xyfleet.worker.storage.schema import ASKED, Row


def entry(row: int, talk: str = "a") -> Entry:
    """Return an entry of which only place and conversation matter."""
    return Entry(row, talk, 0, 0, asked=False)


def test_entry_of_a_row() -> None:
    """An entry has what decides about a call; messages without a conversation keep no order among each other."""
    message = Message(account="a0", id="1.PNM", conversation="c1", time="1970-01-01T00:00:01.500Z", attempt=2)
    row = Row(7, "waiting", ASKED, message)
    other = Message(account="a0", id="order:1", time=message.time)
    lone = [entry_of(Row(number, "waiting", None, other)) for number in (8, 9)]

    assert entry_of(row) == Entry(7, "talk c1", 1500, 2, asked=True)
    assert lone[0].talk != lone[1].talk
    assert not lone[0].asked


def test_one_at_a_time() -> None:
    """While a message of a conversation is being handled, the next one of it is not given."""
    window = ReadyQueue()
    for each in (entry(1), entry(2), entry(3, "b")):
        assert window.take(each)

    assert window.next() == [entry(1)]
    assert window.next() == [entry(3, "b")]
    assert window.next() == []
    window.done(entry(1))
    assert window.next() == [entry(2)]


def test_rest_keeps_the_order() -> None:
    """A message that is to be tried again stays before the later ones of its conversation; others go on."""
    window = ReadyQueue()
    for each in (entry(1), entry(2), entry(3, "b")):
        window.take(each)
    (first,) = window.next()
    window.rest(first._replace(attempt=1))

    assert window.next() == [entry(3, "b")]
    assert window.next() == []
    window.release(entry(1)._replace(attempt=1))
    assert window.next() == [entry(1)._replace(attempt=1)]


def test_resting_orders_leave_room() -> None:
    """Orders that wait for the platform, however many, keep no text from being held; lines that rest do count."""
    window = ReadyQueue(most=2)
    for row in range(1, 6):
        assert window.take(entry(row, f"order {row}"))
        (order,) = window.next()
        window.rest(order)
    line = entry(6)._replace(line="buyer")
    assert window.take(line)
    assert window.next() == [line]
    window.rest(line)
    window.release(entry(1, "order 1"))

    assert not window.take(entry(7, "b")), "a line that rests, and an order that does no more"
    assert window.next() == [entry(1, "order 1")]


def test_same_row_twice() -> None:
    """A row that is held, or being handled, is not taken again."""
    window = ReadyQueue()
    window.take(entry(1))
    window.take(entry(1))
    window.next()
    window.take(entry(1))
    window.done(entry(1))

    assert window.next() == []
    assert (len(window), window.has_talks) == (0, False)


def test_long_conversation() -> None:
    """Of one conversation only the first messages are held; it is told where it goes on."""
    window = ReadyQueue(most=10, most_of_talk=3)
    assert all(window.take(entry(row)) for row in range(1, 9))
    assert (len(window), window.left("a"), window.starving()) == (3, 4, [])
    for row in (1, 2, 3):
        assert window.next() == [entry(row)]
        window.done(entry(row))

    assert window.starving() == ["a"]
    assert window.reopen("a") == 4
    assert not window.has_talks


def test_earlier_row_comes_late() -> None:
    """A row before those held takes its place, and the last held one is left for later."""
    window = ReadyQueue(most=10, most_of_talk=2)
    for row in (5, 6, 2):
        window.take(entry(row))

    assert [window.left("a"), window.next()] == [6, [entry(2)]]


def test_full() -> None:
    """When the window is full, an entry is refused, unless its conversation is left for later anyway."""
    window = ReadyQueue(most=2, most_of_talk=1)
    assert window.take(entry(1))
    assert window.take(entry(2, "b"))
    assert window.take(entry(3))
    assert not window.take(entry(4, "c"))
    window.leave(entry(4, "c"))
    window.leave(entry(6, "c"))

    assert window.starving() == ["c"]
    assert window.reopen("c") == 4


@given(
    talks=st.lists(st.sampled_from("abcd"), max_size=60),
    choices=st.lists(st.tuples(st.sampled_from(["done", "rest", "release"]), st.integers(0, 3)), max_size=200),
)
def test_everything_in_order(talks: list[str], choices: list[tuple[str, int]]) -> None:
    """Whatever happens when, each conversation is handled in order, one at a time, and to its end."""
    waiting = {row: entry(row, talk) for row, talk in enumerate(talks, 1)}
    window = ReadyQueue(most=7, most_of_talk=3)
    on: list[Entry] = []
    resting: list[Entry] = []
    handled: list[Entry] = []
    released: set[int] = set()
    steps = iter(choices)
    cursor = 0

    def load() -> None:
        nonlocal cursor
        for name in window.starving():
            left = window.reopen(name)
            for row in sorted(waiting):
                if left <= row <= cursor and waiting[row].talk == name and not window.take(waiting[row]):
                    window.leave(waiting[row])
        for row in sorted(waiting):
            if row > cursor:
                if not window.take(waiting[row]):
                    break
                cursor = row

    while waiting:
        load()
        assert len(window) <= 7 + len(released & waiting.keys()), "orders that rested come on top"
        while found := window.next():
            (begun,) = found
            assert begun.talk not in [each.talk for each in on + resting]
            on.append(begun)
        what, which = next(steps, ("done", 0))
        if resting and (what == "release" or not on):
            back = resting.pop(which % len(resting))
            released.add(back.row)
            window.release(back)
        elif what == "rest" and on:
            each = on.pop(which % len(on))
            window.rest(each)
            resting.append(each)
        elif on:
            each = on.pop(which % len(on))
            window.done(each)
            handled.append(each)
            del waiting[each.row]

    for talk in "abcd":
        rows = [each.row for each in handled if each.talk == talk]
        assert rows == [row for row, name in enumerate(talks, 1) if name == talk]
