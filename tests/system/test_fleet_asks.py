"""A handler asks the platform about items and orders: through the supervisor, by the account's login, in its pace."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.fleet import Fleet, running, unb
from support.gateway import Gateway
from xyfleet.supervisor.api.client import ClientError, Refused

ITEM = "mtop.taobao.idle.pc.detail"
HANDLER = """
from xyfleet.worker.handlers.api import AskFailed


async def answer(message, account):
    try:
        item = await account.item(message.text)
        return f"{item.title} {item.price} {item.stock} {item.description} {[spec.name for spec in item.specs]}"
    except AskFailed as error:
        return f"no: {error.code}"
"""


def asking(folder: Path, gateway: Gateway, code: str, **account: Any) -> Fleet:
    """Return a fleet of one account with this handler."""
    (folder / "asks.py").write_text(code, "utf-8")
    fleet = Fleet(folder, gateway.endpoint, gateway.token_url, 1)
    fleet.config["defaults"] |= {"handler": "asks:answer", "send_rate": 0, "reply_limit": 0, **account}
    return fleet


def replies(gateway: Gateway) -> list[str]:
    """Return what the account sent."""
    return [message["text"] for message in gateway.messages(unb(0)) if message["sender"] == unb(0)]


def test_a_handler_asks_for_an_item(gateway: Gateway, tmp_path: Path) -> None:
    """An item's title, price, stock and specs reach the handler; asked twice it is one call; a no has a code."""
    sale = {"id": "812", "title": "会员月卡", "price": "12.50", "quantity": 7, "specs": ["时长:月", "时长:年"]}
    gateway.ask("POST", "shop", {"unb": unb(0), "items": [sale], "no_items": ["813"]})
    fleet = asking(tmp_path, gateway, HANDLER)
    with running(fleet):
        fleet.wait_connected()
        gateway.push(unb(0), "812", "812", "813", "x")
        fleet.until(lambda: len(replies(gateway)) == 4, "all are answered")
        calls = gateway.stats(unb(0))["asks"]

    told = "会员月卡 12.50 7 自动发货 ['时长:月', '时长:年']"
    assert replies(gateway) == [told, told, "no: refused", "no: bad"]
    assert calls == {ITEM: 2}, "one that is there, kept then, and one that is not"


SELLER = """
from xyfleet.worker.handlers.api import AskFailed


async def answer(message, account):
    if message.order_status != "paid":
        return None
    try:
        order = await account.order(message.order)
        done = await account.ship(order.id)
        more = await account.call("mtop.taobao.idle.pc.detail", "1.0", {"itemId": order.item})
        price = more["itemDO"]["soldPrice"]
        return f"{order.title} {order.spec} {order.quantity} {order.amount} {done.already} {price}"
    except AskFailed as error:
        return f"no: {error.code}"
"""


def test_orders_are_asked_for_and_shipped(gateway: Gateway, tmp_path: Path) -> None:
    """A paid order is described and shipped for a handler; over HTTP the same, and each refusal has its code."""
    sold = {"id": "5100000000000000009", "spec": "时长:月", "quantity": 2, "amount": "25.00"}
    gateway.ask("POST", "shop", {"unb": unb(0), "orders": [sold, sold | {"id": "5100000000000000010"}]})
    fleet = asking(tmp_path, gateway, SELLER, apis=[ITEM])
    with running(fleet):
        fleet.wait_connected()
        gateway.push(unb(0), items=[{"type": "card", "status": "paid", "order": sold["id"]}])
        fleet.until(lambda: replies(gateway), "the order is answered")
        item = json.loads(fleet.client.get("/v1/items/a0/812").body)
        order = json.loads(fleet.client.get(f"/v1/orders/a0/{sold['id']}").body)
        waiting = json.loads(fleet.client.get("/v1/orders/a0").body)
        gateway.ask("POST", "shop", {"unb": unb(0), "plain": True})
        plain = json.loads(fleet.client.get("/v1/orders/a0").body)
        again = fleet.client.post("/v1/ship", {"name": "a0", "order": sold["id"]})
        codes = [
            refusal(fleet, "/v1/call", {"name": "a0", "api": "mtop.taobao.idle.item.polish", "data": {}}),
            refusal(fleet, "/v1/ship", {"name": "a0", "order": "77"}),
        ]
        fleet.client.post("/v1/accounts/stop", {"names": ["a0"]})
        codes.append(refusal(fleet, "/v1/ship", {"name": "a0", "order": "5100000000000000010"}))

    assert replies(gateway) == ["测试商品 时长:月 2 25.00 False 9.90"]
    assert (item["title"], order["status"], order["buyer"]) == ("测试商品", "shipped", "3300000000002")
    assert [each["id"] for each in waiting["orders"]] == ["5100000000000000010"]
    assert plain["orders"][0]["id"] == waiting["orders"][0]["id"], "a seller without a shop has another list"
    assert again == {"order": sold["id"], "already": True, "later": False}
    assert codes == ["api", "refused", "stopped"]


@pytest.mark.long
def test_a_shipment_outlives_its_supervisor(gateway: Gateway, tmp_path: Path) -> None:
    """SIGKILL while the call is under way: the next supervisor says that it does not know, and asks nothing."""
    order = "5100000000000000011"
    gateway.ask("POST", "shop", {"unb": unb(0), "orders": [{"id": order}]})
    fleet = asking(tmp_path, gateway, SELLER, handler="none")
    with running(fleet):
        fleet.wait_connected()
        gateway.fault(unb(0), kind="ask_slow", seconds=1.0, count=1)
        with ThreadPoolExecutor(1) as thread:
            call = thread.submit(refusal, fleet, "/v1/ship", {"name": "a0", "order": order})
            fleet.until(lambda: gateway.stats(unb(0))["asks"], "the call is under way")
            fleet.kill()
            assert isinstance(call.exception(), ClientError)
        fleet.start()
        code = refusal(fleet, "/v1/ship", {"name": "a0", "order": order})
        gateway.until(lambda: gateway.ask("GET", f"shop?unb={unb(0)}")["shipped"], "the killed one's call arrived")

    assert code == "unknown"
    assert gateway.ask("GET", f"shop?unb={unb(0)}")["asked"] == [order]


def refusal(fleet: Fleet, path: str, body: Any) -> str:
    """Return the code of the refusal that a request must get."""
    with pytest.raises(Refused) as caught:
        fleet.client.post(path, body)
    return caught.value.code
