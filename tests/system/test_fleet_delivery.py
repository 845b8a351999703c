"""The program of docs/handlers.md that delivers card keys: each paid order has its key once, or a dead letter.

Orders come in all shapes, twice and more, through changes and notices, second ones of the same buyer, while workers are
killed, connections end and owners write.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.fleet import FAST, Fleet, running, unb
from support.gateway import Gateway
from support.places import DOCS, TESTS

SAMPLES: dict[str, dict[str, Any]] = {
    each["sample"].split(" ")[0].rstrip(","): each["payload"]
    for each in json.loads((TESTS / "vectors" / "orders.json").read_text("utf-8"))["payloads"]
}
SHAPES = ("2", "3", "9", "card", "nested")
"""A paid card flat and nested, an older card that changes, and the gateway's own two, which catching up finds too."""
ME, BUYER, TALK, ORDER = "2200000000001", "3300000000002", "51000000001", "5100000000000000001"
NAMELESS = "paid, but no order is named"


class Sale(NamedTuple):
    """One order, and what the server tells of it, a push after the other."""

    account: int
    talk: str
    order: str | None
    """None: no push names it."""
    pushes: list[list[dict[str, Any]]]


def sample(name: str, number: int, account: int, talk: str, order: str, time: int) -> dict[str, Any]:
    """Return an item of this shape, about this order."""
    if not name.isalpha():
        text = json.dumps(SAMPLES[name])
        for old, new in ((ME, unb(account)), (TALK, talk), (ORDER, order)):
            text = text.replace(old, new)
        text = re.sub(r"39000000000\d\d\.PNM", f"{number}{name[-1]}.PNM", text)
        text = re.sub(r"17672256[0-9]{5}", str(time), text)
        payload = json.loads(text)
        if name == "10c":
            payload["5"] = time
        return {"type": "msgpack", "payload": payload}
    form = "nested" if name == "nested" else "flat"
    common = {"conversation": talk, "peer": BUYER, "order": order, "form": form, "id": f"{number}{name}.PNM"}
    return {"type": "card", "status": "created" if name == "created" else "paid", **common}


def sales(count: int, accounts: int, chance: random.Random) -> Iterator[Sale]:
    """Make orders: a third are the second one of a buyer who said the same before; of a few no push says the id."""
    for number in range(count):
        account = number % accounts
        talk = str(61_000_000_000 + (number - accounts if number // accounts % 3 == 2 else number))
        order, time = f"{5_100_000_000_000_000_001 + number}", 1_767_225_600_000 + 1000 * number
        notice = sample(chance.choice(("10a", "10c")), number, account, talk, order, time)
        if chance.random() < 0.03:
            yield Sale(account, f"{talk}9", None, [[sample("10a", number, account, f"{talk}9", order, time)]])
            continue
        paid = sample(chance.choice(SHAPES), number, account, talk, order, time)
        first = [
            [sample("10b", number, account, talk, order, time)],
            [sample("created", number, account, talk, order, time)],
        ]
        last = [paid] if chance.random() < 0.5 else chance.sample([paid, notice], 2)
        again = [last] * (chance.random() < 0.4) + [[sample("9", number, account, talk, order, time + 500)]] * (
            chance.random() < 0.3
        )
        owner = [[{"type": "echo", "text": "我在", "conversation": talk, "peer": BUYER}]] * (chance.random() < 0.2)
        yield Sale(account, talk, order, [*chance.choice((first, first[1:], [])), *owner, last, *again])


def shop(folder: Path, gateway: Gateway, accounts: int, keys: int) -> Fleet:
    """Return a fleet with the program of the page, and its keys."""
    (program,) = re.findall(r"```python\n(# deliver\.py\n.*?)```", (DOCS / "handlers.md").read_text("utf-8"), re.DOTALL)
    (folder / "deliver.py").write_text(program, "utf-8")
    (folder / "keys.txt").write_text("".join(f"KEY-{number:05d}\n" for number in range(keys)))
    fleet = Fleet(folder, gateway.endpoint, gateway.token_url, accounts)
    rules = {"handler": "deliver:answer", "on_unknown": "retry", "reply_max_age": 0, "handler_retry_delay": 0.05}
    fleet.config["defaults"] = {**FAST, **rules, "send_rate": 0}
    return fleet


class Server:
    """What a server does with what is not acked: it pushes that again on the next connection, in its order."""

    def __init__(self, gateway: Gateway, fleet: Fleet, chance: random.Random, every: int) -> None:
        self._gateway = gateway
        self._fleet = fleet
        self._chance = chance
        self._every = every
        self._done = 0
        self._sent: dict[int, tuple[int, str]] = {}
        """By account: on which of its connections, and the push's mid."""

    def deliver(self, queues: dict[int, list[list[dict[str, Any]]]]) -> None:
        """Push what is in each account's queue until all of it is acked, and do harm meanwhile."""
        self._fleet.until(lambda: self._step(queues), "all is acked", 240)

    def _step(self, queues: dict[int, list[list[dict[str, Any]]]]) -> bool:
        figures = self._gateway.all_stats()
        for account, queue in queues.items():
            line, mid = self._sent.get(account, (-1, ""))
            if mid and mid in self._gateway.ask("GET", f"acks?unb={unb(account)}")["mids"]:
                del self._sent[account]
                queue.pop(0)
                self._done += 1
                if self._done % self._every == 0:
                    self._harm(account)
            elif line != figures[unb(account)]["regs_ok"]:
                self._sent.pop(account, None)
            if queue and account not in self._sent and figures[unb(account)]["live"]:
                mids = self._gateway.push(unb(account), items=queue[0])["mids"]
                self._sent |= {account: (figures[unb(account)]["regs_ok"], mids[0])} if mids else {}
        return not any(queues.values())

    def _harm(self, account: int) -> None:
        pid = self._fleet.pids()[f"a{account}"]
        if self._chance.random() < 0.5 and pid is not None:
            os.kill(pid, signal.SIGKILL)
        else:
            self._gateway.drop(unb(account), "reset")


def sent_keys(gateway: Gateway, accounts: int) -> list[tuple[str, str]]:
    """Return the keys that buyers were sent, each with its conversation."""
    sent = [
        (found[0], message["conversation"])
        for number in range(accounts)
        for message in gateway.messages(unb(number))
        if message["sender"] == unb(number) and (found := re.search(r"KEY-\d+", message["text"]))
    ]
    return sent


def deliver_all(folder: Path, gateway: Gateway, count: int, accounts: int, every: int) -> None:
    """Sell so many orders, do harm after so many pushes each, and look at what became of each order."""
    chance = random.Random(count)
    wanted = list(sales(count, accounts, chance))
    fleet = shop(folder, gateway, accounts, count)
    with running(fleet):
        fleet.wait_connected()
        queues: dict[int, list[list[dict[str, Any]]]] = {number: [] for number in range(accounts)}
        for sale in wanted:
            queues[sale.account] += sale.pushes
        Server(gateway, fleet, chance, every).deliver(queues)
        fleet.until(fleet.connected, "all connected again", 60)
        fleet.until(lambda: settled(folder), "nothing waits", 60)
        lines = fleet.client.get("/v1/messages", failed="1", limit="10000").body.splitlines()
        dead = [json.loads(line) for line in lines]
        sent = sent_keys(gateway, accounts)
    judge(wanted, dead, sent, folder)


def settled(folder: Path) -> bool:
    """Whether no message waits for the handler, and no reply to be sent; asked of the files: reports come late."""
    busy = "SELECT (SELECT count(*) FROM messages WHERE state IN ('waiting', 'calling')) + (SELECT count(*) FROM outbox"
    for file in (folder / "state" / "inbox").glob("*.db"):
        with sqlite3.connect(file) as db:
            (open_ones,) = db.execute(f"{busy} WHERE state IN ('queued', 'sending'))").fetchone()
        db.close()
        if open_ones:
            return False
    return True


def judge(wanted: list[Sale], dead: list[dict[str, Any]], sent: list[tuple[str, str]], folder: Path) -> None:
    """See that each order has its own key once, where it was sold, or a dead letter that says why; and nothing else."""
    with sqlite3.connect(folder / "deliveries.db") as db:
        ledger = dict(db.execute("SELECT order_id, key FROM keys WHERE order_id IS NOT NULL"))
    db.close()
    times = Counter(sent)
    reasons = {each["order"]: each["reason"] for each in dead if each["order"] is not None}
    nameless = {each["conversation"] for each in dead if NAMELESS in each["reason"]}
    for sale in wanted:
        if sale.order is None:
            assert sale.talk in nameless
            continue
        had = times.pop((ledger[sale.order], sale.talk), 0)
        assert had == 1 or (had == 0 and reasons[sale.order]), (sale, had)
    assert not times
    assert all(each["reason"] for each in dead)


def test_each_paid_order_is_delivered_once(tmp_path: Path, gateway: Gateway) -> None:
    """Two dozen orders in all shapes, with harm in between."""
    deliver_all(tmp_path, gateway, 24, 3, every=35)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_thousand_paid_orders(tmp_path: Path, gateway: Gateway) -> None:
    """A thousand orders in all shapes, with harm in between: the same, at a size at which rare meetings happen."""
    deliver_all(tmp_path, gateway, 1000, 8, every=60)
