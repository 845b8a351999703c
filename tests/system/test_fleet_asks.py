"""A handler asks the platform about items and orders: through the supervisor, by the account's login, in its pace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.fleet import Fleet, running, unb
from support.gateway import Gateway

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
