"""What the platform's words say has become of an order. Pure.

Sources and how sure each is: docs/protocol.md, Orders. The words are compared whole: a safety tip that speaks of paying
is no payment. Never to be asked about what a person typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from xyfleet.worker.protocol.message import OrderStatus

_EDGES: Final = " \t\r\n[]【】「」～~!！。."

_RED: Final[Mapping[str, OrderStatus]] = {
    "等待买家付款": "created",
    "等待卖家发货": "paid",
    "付款完成待发货": "paid",
    "等待买家收货": "shipped",
    "待收货": "shipped",
    "交易成功": "received",
    "有新交易评价": "reviewed",
    "买家申请退款": "refunding",
    "退款中": "refunding",
    "交易关闭": "closed",
    "订单关闭": "closed",
}
"""`redReminder`."""
_FIRST: Final = frozenset({"created", "paid"})
"""What a `redReminder` says against the text beside it."""
_TEXTS: Final[Mapping[str, OrderStatus]] = {
    "我已拍下，待付款": "created",
    "买家已拍下，待付款": "created",
    "我已付款，等待你发货": "paid",
    "已付款，待发货": "paid",
    "买家已付款": "paid",
    "付款完成": "paid",
    "我已成功小刀，待发货": "paid",
    "你已发货": "shipped",
    "你已发货，请等待买家确认收货": "shipped",
    "已发货": "shipped",
    "卖家已发货": "shipped",
    "物流已签收": "shipped",
    "订单已签收": "shipped",
    "记得及时确认收货": "shipped",
    "买家确认收货，交易成功": "received",
    "你已确认收货，交易成功": "received",
    "买家已确认收货，交易成功": "received",
    "交易成功": "received",
    "我完成了评价": "reviewed",
    "对方完成了评价": "reviewed",
    "我发起了退款申请": "refunding",
    "买家申请退款": "refunding",
    "卖家同意退款": "refunding",
    "退款成功，钱款已原路退返": "refunded",
    "退款成功": "refunded",
    "你关闭了订单，钱款已原路退返": "closed",
    "未付款，你关闭了订单": "closed",
    "超时未付款，系统关闭了订单": "closed",
}
"""`reminderContent`, and the title of a card."""
_NO_NEWS: Final = frozenset(
    {
        "我已修改价格，等待你付款",
        "记得及时发货",
        "我已小刀，待刀成",
        "可以送我闲鱼小红花吗",
        "卖家人不错？送Ta闲鱼小红花",
        "你人真不错，送你闲鱼小红花",
        "收到小红花，心里乐开花",
        "有蚂蚁森林能量可领",
    }
)
"""Texts that say of no new state, whatever stands beside: a changed price, a reminder, a group that is not full."""
_AMENDED: Final = re.compile(r"我将「.{1,20}」修改为「.{1,20}」?")
_BUTTONS: Final[Mapping[str, OrderStatus]] = {"去发货": "paid", "已付款": "paid", "修改价格": "created"}
_BACK: Final = frozenset({"已撤销", "已拒绝"})
"""Buttons of a request for a refund that comes to nothing: the order is as it was before."""
_KEYS: Final[Mapping[str, OrderStatus]] = {
    "1_NOT_PAY_SELLER": "created",
    "BUYER_CREATE_ORDER": "created",
    "TRADE_PAID_DONE_SELLER": "paid",
    "TRADE_PAID": "paid",
    "BUYER_RATE_SELLER": "reviewed",
}
"""Names in an `updateKey`; the numbers before them mean nothing that is known."""


def of_notice(red: str) -> OrderStatus | None:
    """Return what an order's notice says, which has nothing but its `redReminder`."""
    return _RED.get(_bare(red)) or _TEXTS.get(_bare(red))


def of_card(red: str, texts: Iterable[str], buttons: Iterable[str], key: str) -> OrderStatus | None:
    """
    Return what a card or a tip says.

    Args:
        red: Its `redReminder`, which goes before all texts where it says created or paid.
        texts: Its reminder, then its title.
        buttons: The words on its buttons.
        key: Its `updateKey`; empty for a change, whose key is of what the card was before.
    """
    said, pressed = [_bare(text) for text in texts if text], [_bare(text) for text in buttons]
    if any(text in _NO_NEWS for text in said):
        return None
    found = [status for text in said if (status := _of_text(text)) is not None]
    if "refunding" in found and any(text in _BACK for text in pressed):
        return None
    shown = _RED.get(_bare(red))
    if shown in _FIRST:
        return shown
    named = [_KEYS[part] for part in key.upper().split(":") if part in _KEYS]
    on_buttons = [_BUTTONS[text] for text in pressed if text in _BUTTONS]
    return next(iter([*named, *found, *([shown] if shown else []), *on_buttons]), None)


def _of_text(text: str) -> OrderStatus | None:
    return "refunding" if _AMENDED.fullmatch(text) else _TEXTS.get(text)


def _bare(text: str) -> str:
    return text.strip(_EDGES)
