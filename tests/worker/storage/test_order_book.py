"""Paid orders: by notice or by list, each is handed over once; one that came late waits for what the list says."""

from __future__ import annotations

from typing import Any

import pytest

from support.stores import ASKS, NOW, add, incoming, stands
from xyfleet.worker.protocol import listed_orders
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.shop import Order
from xyfleet.worker.storage import order_book
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.results import LateOrders, LetterPart, NewOrder
from xyfleet.worker.storage.schema import LATE_ORDER, LISTED, NOT_WAITING, NOTICED, STRANGE_ORDER, TAKEN_OVER

pytestmark = pytest.mark.pythons

LISTS = ASKS._replace(orders=True)
ORDER, OTHER = "5100000000000000001", "5100000000000000002"
OLD = NOW - 3_600_000


def card(id: str, order: str | None = ORDER, **more: Any) -> IncomingItem:
    """Return the notice of a paid order."""
    said = {"kind": "card", "order": order, "order_status": "paid", "role": "seller", "platform": True}
    return incoming(id, **said | more)


def listed(order: str = ORDER, talk: str | None = "c1", **more: Any) -> IncomingItem:
    """Return an order as the list brings it."""
    found = Order(id=order, item="i1", quantity=2, amount="9.90", buyer="buyer", status="paid", status_text="待发货")
    return listed_orders.message_of(found, talk) if not more else incoming(f"listed:{order}", **more)


def test_an_order_is_never_too_old(store: MessageStore) -> None:
    """Without a list a paid order of yesterday waits for the handler, and so does what else became of one; talk not."""
    add(store, card("1.PNM", time=OLD), incoming("2.PNM", kind="order", order_status="shipped", time=OLD))
    add(store, incoming("3.PNM", time=OLD), card("4.PNM", order=None, order_status=None, time=OLD))

    assert [stands(store, row)[0] for row in (1, 2, 3, 4)] == ["waiting", "waiting", "kept", "kept"]


def test_a_late_order_waits_for_the_list(store: MessageStore) -> None:
    """It may have been shipped or refunded meanwhile: the list hands it over, or says that it is over."""
    add(store, card("1.PNM", time=OLD), card("2.PNM", OTHER, time=OLD), card("3.PNM", None, time=OLD), rules=LISTS)
    late = [stands(store, row) for row in (1, 2, 3)]
    (row,) = add(store, listed(), rules=LISTS, recovered=True)
    said = order_book.settle_late(store.db, [ORDER], 3, None)

    assert late == [("kept", LATE_ORDER)] * 3
    assert (row.state, row.message.quantity, row.message.amount) == ("waiting", 2, "9.90")
    assert said == LateOrders(listed=1, over=2)
    assert [stands(store, number) for number in (1, 2, 3)] == [
        ("kept", LISTED),
        ("kept", NOT_WAITING),
        ("kept", NOT_WAITING),
    ]


def test_a_late_order_that_the_list_has_in_strange_words(store: MessageStore) -> None:
    """Nobody knows whether it waits: a person sees it, and it is not called over."""
    add(store, card("1.PNM", time=OLD), card("2.PNM", OTHER, time=OLD), rules=LISTS)

    assert order_book.settle_late(store.db, [OTHER], 2, None, [ORDER]) == LateOrders(listed=1, dead=1)
    assert [stands(store, number) for number in (1, 2)] == [("failed", STRANGE_ORDER), ("kept", LISTED)]


def test_an_order_that_came_while_the_list_was_asked_for(store: MessageStore) -> None:
    """The list may not know of it yet: the next one says."""
    add(store, card("1.PNM", time=OLD), card("2.PNM", OTHER, time=OLD), rules=LISTS)

    assert order_book.settle_late(store.db, [], 1, None) == LateOrders(over=1)
    assert stands(store, 2) == ("kept", LATE_ORDER)


def test_without_a_list_late_orders_are_dead_letters(store: MessageStore) -> None:
    """A person looks; handed over again they are believed, and the list does not bring them a second time."""
    add(store, card("1.PNM", time=OLD), rules=LISTS)
    said = order_book.settle_late(store.db, [], 1, "no list")
    dead = stands(store)
    store.redo([])

    assert said == LateOrders(dead=1)
    assert (dead, stands(store)[0]) == (("failed", "no list"), "waiting")
    assert order_book.new_orders(store.db, [(ORDER, "buyer", "i1")]) == []


@pytest.mark.parametrize("first", ["notice", "list"])
def test_notice_and_list_are_one(store: MessageStore, first: str) -> None:
    """Whichever comes first is handed over, also when both were under way at one time."""
    both = [card("1.PNM"), listed()] if first == "notice" else [listed(), card("1.PNM")]
    add(store, both[0], rules=LISTS)
    news = order_book.new_orders(store.db, [(ORDER, "buyer", "i1"), (OTHER, "buyer", "i1")])
    add(store, both[1], rules=LISTS)

    assert news == [NewOrder(OTHER, "c1")]
    assert [stands(store, row) for row in (1, 2)] == [
        ("waiting", None),
        ("kept", NOTICED if first == "notice" else LISTED),
    ]


def test_a_notice_that_no_handler_heard_of_counts_for_nothing(store: MessageStore) -> None:
    """Kept because there was no handler then: the list brings the order."""
    add(store, card("1.PNM"), rules=ASKS._replace(handler=False))

    assert order_book.new_orders(store.db, [(ORDER, None, None)]) == [NewOrder(ORDER, "c1", noticed=True)]


def test_the_conversation_of_a_listed_order(store: MessageStore) -> None:
    """That of a notice about it, else the latest with its buyer about its item, else the latest with him."""
    add(store, incoming("1.PNM", conversation="c1", item="i1", time=NOW - 9))
    add(store, incoming("2.PNM", conversation="c2", item="i2", time=NOW - 5))
    add(store, incoming("3.PNM", conversation="c3", item="i1", sender="other", time=NOW - 1))
    add(store, card("4.PNM", OTHER, conversation="c4"), rules=ASKS._replace(handler=False))
    asked = [(ORDER, "buyer", "i1"), ("53", "buyer", "i9"), (OTHER, "buyer", "i1"), ("54", "nobody", "i1")]

    assert [each.conversation for each in order_book.new_orders(store.db, asked)] == ["c1", "c4", "c4", None]


def test_a_listed_order_is_answered_although_its_owner_writes(store: MessageStore) -> None:
    """`takeover_pause` is for talk; the buyer is who the list names, though he never wrote."""
    add(store, incoming("1.PNM", sender="somebody"), incoming("2.PNM", own=True, sender="me", text="me"))
    (row,) = add(store, listed(talk="c1"), rules=LISTS, recovered=True)
    begun = store.begin(row.row, 0, None, NOW)
    number = store.finish(row.row, [LetterPart("KEY")], "u1", NOW)

    assert stands(store) == ("kept", TAKEN_OVER)
    assert begun is not None
    assert number is not None
    sent = store.letter(number)
    assert sent is not None
    assert sent.receiver == "buyer"


def test_an_order_without_a_conversation_is_a_dead_letter(store: MessageStore) -> None:
    """Nobody knows where to answer: it is not lost."""
    (row,) = add(store, listed(talk=None), rules=LISTS, recovered=True)
    store.begin(row.row, 0, None, NOW)
    store.finish(row.row, [LetterPart("KEY")], "u1", NOW)

    assert stands(store) == ("failed", "no conversation to reply in")


def test_orders_of_a_lost_inbox_are_parked(store: MessageStore) -> None:
    """They may have been handed over before it was lost."""
    store.set_meta("lost", NOW)
    (row,) = add(store, listed(), rules=LISTS, recovered=True)

    assert row.state == "parked"
