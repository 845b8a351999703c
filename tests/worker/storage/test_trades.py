"""What messages say of orders, in the store: kept, completed from what is there, and read anew of old rows."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.places import TESTS
from support.pushes import ME, item, packed
from support.stores import add, incoming
from xyfleet.supervisor.messages.inbox_files import Files
from xyfleet.supervisor.messages.query import Question, listing
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.items import pushed
from xyfleet.worker.protocol.message import Message
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.schema import TABLES, VERSION

ORDERS: list[dict[str, Any]] = json.loads((TESTS / "vectors" / "orders.json").read_text("utf-8"))["payloads"]
ORDER, BUYER, TALK = "5100000000000000001", "3300000000002", "51000000001"
FIELDS = ("conversation", "content_type", "order", "order_status", "role", "buyer")


def found(name: str, position: int = 1) -> IncomingItem:
    """Return what a push at a position brings of a sample, by the beginning of its name."""
    (payload,) = (each["payload"] for each in ORDERS if each["sample"].startswith(name))
    body = {"syncPushPackage": {"data": [item(packed(payload))], "maxPts": position}}
    (incoming_item,) = pushed(json.dumps(body).encode(), ME)
    return incoming_item


def fields(message: Message) -> dict[str, Any]:
    """Return the fields that are about an order."""
    return {name: getattr(message, name) for name in FIELDS}


@pytest.mark.parametrize("each", ORDERS, ids=lambda each: each["sample"][:20])
def test_fields_are_stored(store: MessageStore, each: dict[str, Any]) -> None:
    """What a shape says of an order comes out of the store as it went in (D3, D4)."""
    (row,) = add(store, found(each["sample"]))

    assert fields(row.message) == {name: each["want"][name] for name in FIELDS}


def test_an_order_is_one_through_all_its_messages(store: MessageStore) -> None:
    """Created, paid, changed, shipped: four messages of one order, in order; each redelivered push is none (D2)."""
    pushes = [found(name) for name in ("1 ", "2 ", "9 ", "5 ")]
    rows = add(store, *pushes)
    assert add(store, *pushes, found("9 ")) == []

    told = [(row.message.order, row.message.order_status) for row in rows]
    assert told == [(ORDER, "created"), (ORDER, "paid"), (ORDER, "paid"), (ORDER, "received")]


def test_a_second_order_in_the_same_words(store: MessageStore) -> None:
    """A notice in another push is another order's; the same push once more is not (storage of notices without ids)."""
    first, second = found("10c", 1), found("10c", 2)

    assert len({row.message.id for row in add(store, first, second)}) == 2
    assert add(store, first, second) == []


def test_what_a_notice_does_not_say(store: MessageStore) -> None:
    """A notice about a card, and a change without an address, have that card's order, role and buyer."""
    card = found("2 ")
    notice = incoming("order:1", kind="order", conversation=None, sender=None, about=card.id, order_status="paid")
    change = incoming(card.id, kind="card", update_id=f"{card.id}:x", conversation=None, raw={"4": 1})
    rows = add(store, card, notice, change)

    wanted = {"conversation": TALK, "order": ORDER, "role": "seller", "buyer": BUYER}
    for row in rows[1:]:
        assert {name: getattr(row.message, name) for name in wanted} == wanted


def test_the_buyer_of_what_the_seller_did(store: MessageStore) -> None:
    """Of a tip in the seller's own name the buyer is the one that the order's card named, or who wrote there."""
    (alone,) = add(store, found("4 "))
    assert alone.message.buyer is None
    add(store, found("1 "))
    (shipped,) = add(store, msgspec.structs.replace(found("4 "), id="77.PNM"))
    assert (shipped.message.order_status, shipped.message.buyer) == ("shipped", BUYER)


def test_the_buyer_is_who_wrote(store: MessageStore) -> None:
    """Where no card named a buyer, the person of that conversation is."""
    add(store, incoming("1.PNM", conversation=TALK, sender="33"))
    (notice,) = add(store, found("10a"))

    assert notice.message.buyer == "33"


def test_context_is_for_no_handler(store: MessageStore) -> None:
    """What names an order's people and item without a word is in the inbox alone."""
    context, notice = add(store, found("10b"), found("10a"))

    assert (context.state, notice.state) == ("kept", "waiting")
    assert context.message.order == ORDER


def test_rows_of_an_older_version(tmp_path: Path) -> None:
    """Rows stored before have the fields too, read from their payload, also before the worker opens the file."""
    path = tmp_path / "inbox" / "a.db"
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        for statement in TABLES:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
        for number, each in enumerate(ORDERS):
            values = (f"{number}.PNM", number, number, "card", "x", json.dumps(each["payload"]).encode())
            db.execute(
                "INSERT INTO messages (id, stamp, time, kind, text, own, recovered, state, raw)"
                " VALUES (?, ?, ?, ?, ?, 0, 0, 'kept', ?)",
                values,
            )
    db.close()
    wanted = [{name: each["want"][name] for name in FIELDS} for each in ORDERS]
    wanted[10]["role"] = None  # whose item it is can't be told from the payload alone

    def seen() -> list[dict[str, Any]]:
        files = Files(lambda name: path)
        lines = [json.loads(line) for line in listing(files, ["a"], Question(50)).lines]
        files.close()
        return [{name: line[name] for name in FIELDS} for line in lines]

    assert seen() == wanted
    store = MessageStore(str(path), "a")
    held = [store.row(number + 1) for number in range(len(ORDERS))]
    store.close()
    assert [row.message.order for row in held if row is not None] == [each["want"]["order"] for each in ORDERS]
    assert seen() == wanted
