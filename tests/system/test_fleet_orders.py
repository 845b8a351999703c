"""Orders paid while nobody was there: each is delivered once, or it is said why not."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.fleet import FAST, Fleet, running, unb
from support.gateway import Gateway
from support.places import DOCS

DARK = 1000
"""Milliseconds after which a paid notice is late here."""
FIRST = 5_200_000_000_000_000_000


def shop(folder: Path, gateway: Gateway, keys: int) -> Fleet:
    """Return a fleet of one account with the program of the page that delivers keys."""
    (program,) = re.findall(r"```python\n(# deliver\.py\n.*?)```", (DOCS / "handlers.md").read_text("utf-8"), re.DOTALL)
    (folder / "deliver.py").write_text(program, "utf-8")
    (folder / "keys.txt").write_text("".join(f"KEY-{number:05d}\n" for number in range(keys)))
    fleet = Fleet(folder, gateway.endpoint, gateway.token_url, 1)
    rules = {
        "handler": "deliver:answer",
        "on_unknown": "retry",
        "handler_retry_delay": 0.05,
        "orders_every": 1,
        "reply_max_age": DARK / 1000,
    }
    fleet.config["defaults"] = {**FAST, **rules, "send_rate": 0}
    return fleet


class Order:
    """One order of the dark hour, and what became of it."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.id = str(FIRST + number)
        self.buyer = str(3_300_000_010_000 + number)
        self.talk = str(62_000_000_000 + number)
        self.fate = chance.choice(["waits", "waits", "shipped", "refunded"])
        self.noticed = chance.choice(["before", "missed", "missed", "never"])
        """Pushed before the dark, missed in it and found by catching up, or told by nobody."""

    def card(self, **more: Any) -> dict[str, Any]:
        """Return the notice that it is paid."""
        return {
            "type": "card",
            "status": "paid",
            "order": self.id,
            "conversation": self.talk,
            "peer": self.buyer,
            **more,
        }


def dark_hour(folder: Path, gateway: Gateway, count: int, *, restart: bool) -> None:
    """Sell so many orders around a dark hour, which lasts a moment here, and look at what became of each."""
    orders = [Order(number, random.Random(number)) for number in range(count)]
    fleet = shop(folder, gateway, count)
    with running(fleet):
        fleet.wait_connected()
        seen = [order for order in orders if order.noticed == "before"]
        gateway.push(unb(0), items=[order.card() for order in seen])
        fleet.until(lambda: len(sent(gateway)) == len(seen), "those noticed in time are delivered", 60)
        if restart:
            fleet.stop()
        else:
            gateway.fault(kind="refuse", connections="all")
            fleet.until(lambda: not fleet.connected(), "the connection is lost")
        paid = int(time.time() * 1000)
        missed = [order.card() for order in orders if order.noticed == "missed"]
        gateway.push(unb(0), items=missed, deliver=False)
        gateway.ask("POST", "shop", {"unb": unb(0), "orders": [sold(order, paid) for order in orders]})
        while time.time() * 1000 < paid + 1.5 * DARK:
            time.sleep(0.1)
        gateway.clear()
        if restart:
            fleet.start()
        fleet.wait_connected()
        wanted = {order.id for order in orders if order.noticed == "before" or order.fate == "waits"}
        fleet.until(lambda: len(sent(gateway)) >= len(wanted), "all that wait are delivered", 60)
        fleet.until(lambda: not undecided(folder), "all is decided", 60)
        fleet.until(lambda: gateway.stats(unb(0))["asks"]["mtop.taobao.idle.trade.merchant.sold.get"] > 2, "again", 60)
        found = [json.loads(line) for line in fleet.client.get("/v1/messages", limit="10000").body.splitlines()]
    judge(orders, found, folder, sent(gateway))


def sold(order: Order, paid: int) -> dict[str, Any]:
    """Return an order as the platform has it."""
    status = {"waits": "paid"}.get(order.fate, order.fate)
    return {
        "id": order.id,
        "status": status,
        "buyer": order.buyer,
        "item": "900000000001",
        "quantity": 2,
        "amount": "19.80",
        "time": paid,
    }


def rows(folder: Path, query: str) -> list[Any]:
    """Ask the inbox."""
    (file,) = (folder / "state" / "inbox").glob("*.db")
    db = sqlite3.connect(file)
    found = db.execute(query).fetchall()
    db.close()
    return found


def undecided(folder: Path) -> list[Any]:
    """Return what waits for the handler, for the list or to be sent."""
    late = "state = 'kept' AND reason LIKE 'a late order:%'"
    messages = rows(folder, f"SELECT id, state, reason FROM messages WHERE state IN ('waiting', 'calling') OR {late}")
    return messages + rows(folder, "SELECT number FROM outbox WHERE state IN ('queued', 'sending')")


def sent(gateway: Gateway) -> list[tuple[str, str]]:
    """Return the keys that buyers were sent, each with its conversation."""
    return [
        (match[0], message["conversation"])
        for message in gateway.messages(unb(0))
        if message["sender"] == unb(0) and (match := re.search(r"KEY-\d+", message["text"]))
    ]


def judge(orders: list[Order], found: list[dict[str, Any]], folder: Path, keys: list[tuple[str, str]]) -> None:
    """See that each order has its own key once, or a row that says why not; what the list brought says how many."""
    times = Counter(key for key, _ in keys)
    assert max(times.values()) == 1
    db = sqlite3.connect(folder / "deliveries.db")
    ledger = dict(db.execute("SELECT order_id, key FROM keys WHERE order_id IS NOT NULL"))
    db.close()
    reasons = dict(rows(folder, "SELECT trade_order, reason FROM messages WHERE state = 'kept' AND reason IS NOT NULL"))
    for order in orders:
        delivered = times.get(ledger.get(order.id, ""), 0)
        if order.noticed == "before" or order.fate == "waits":
            assert delivered == 1, (order.id, order.fate, order.noticed)
        else:
            assert delivered == 0, (order.id, order.fate, order.noticed)
            assert order.noticed == "never" or "not waiting for shipment any more" in reasons[order.id]
    listed = [each for each in found if each["id"].startswith("listed:")]
    assert {(each["kind"], each["recovered"], each["quantity"], each["amount"]) for each in listed} == {
        ("order", True, 2, "19.80")
    }
    talks = {order.id: order.talk for order in orders if order.noticed == "missed"}
    assert all(each["conversation"] == talks[each["order"]] for each in listed if each["order"] in talks)
    assert all(each["conversation"] for each in listed)


def test_orders_of_a_dark_hour(gateway: Gateway, tmp_path: Path) -> None:
    """A dozen and a half: noticed, missed or never told; waiting, shipped by hand or refunded; the network was away."""
    dark_hour(tmp_path, gateway, 18, restart=False)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_hundred_orders_of_a_dark_hour(gateway: Gateway, tmp_path: Path) -> None:
    """The same with several pages of orders, while the machine was off."""
    dark_hour(tmp_path, gateway, 100, restart=True)
