"""What answers about items and orders say, as values; nothing in them can raise. Pure.

Sources, and how sure each is: docs/protocol.md, "Items and orders asked for".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from xyfleet.worker.protocol import trade_status
from xyfleet.worker.protocol.json_values import Json, as_dict, as_id, as_int, as_ms, as_text
from xyfleet.worker.protocol.message import OrderStatus, rfc3339
from xyfleet.worker.protocol.shop import Item, Order, OrderPage, Spec
from xyfleet.worker.text import cut

LONGEST_TEXT: Final = 20_000
"""Characters of a description; more is cut."""
_MOST_SPECS: Final = 100
_MOST_PARTS: Final = 100
_MOST_ORDERS: Final = 100
_MONEY: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?")
_BEIJING: Final = timezone(timedelta(hours=8))
_WORDS: Final[Mapping[str, OrderStatus]] = {
    "待付款": "created",
    "待发货": "paid",
    "已付款": "paid",
    "已发货": "shipped",
    "交易成功": "received",
    "已完成": "received",
    "交易关闭": "closed",
    "已关闭": "closed",
    "退款关闭": "closed",
    "退款中": "refunding",
    "退款成功": "refunded",
    "已退款": "refunded",
}
"""`orderStatus` of a list, `orderStatusName` and titles of an order."""
_CODES: Final[Mapping[int, OrderStatus]] = {
    2: "paid",
    3: "shipped",
    4: "received",
    7: "refunding",
    8: "closed",
    9: "refunding",
    10: "closed",
    11: "received",
    12: "closed",
}
"""`data.status` of an order, where no words are known."""


def item(data: object, number: str) -> Item | None:
    """Return an item, None where the answer has none, or another one."""
    found = as_dict(as_dict(data).get("itemDO"))
    if not found or (as_id(found.get("itemId")) or number) != number:
        return None
    seller = as_dict(as_dict(data).get("sellerDO"))
    listed = found.get("skuList") or found.get("idleItemSkuList")
    specs = [_spec(as_dict(each)) for each in (listed if isinstance(listed, list) else [])[:_MOST_SPECS]]
    return Item(
        id=number,
        title=_short(found.get("title")),
        price=_money(found.get("soldPrice")) or _money(found.get("minPrice")),
        description=as_text(found.get("desc"))[:LONGEST_TEXT],
        stock=as_int(found.get("quantity")),
        seller=as_id(seller.get("sellerId")) or as_id(seller.get("userId")),
        status=_short(found.get("itemStatusStr")) or None,
        specs=[spec for spec in specs if spec is not None],
    )


def _spec(found: Json) -> Spec | None:
    number, parts = as_id(found.get("skuId")), found.get("propertyList")
    if number is None:
        return None
    shown = [as_dict(part) for part in (parts if isinstance(parts, list) else [])[:_MOST_PARTS]]
    names = [
        f"{_short(part.get('propertyText'))}:{_short(part.get('actualValueText')) or _short(part.get('valueText'))}"
        for part in shown
    ]
    cents = as_int(found.get("priceInCent"))
    price = f"{cents // 100}.{cents % 100:02}" if cents is not None and cents >= 0 else None
    return Spec(id=number, name=" ".join(names), price=price, stock=as_int(found.get("quantity")))


def order(data: object, number: str) -> Order | None:
    """Return an order, None where the answer has none, or another one."""
    found = as_dict(data)
    parts = _components(found)
    goods, info = as_dict(parts.get("itemInfo")), _listed(parts.get("orderInfoList"))
    named = as_id(found.get("orderId")) or info.get("订单编号")
    if not goods or (named or number) != number:
        return None
    said = as_dict(found.get("utArgs"))
    shown = as_dict(parts.get("orderStatusInfo")).get("title")
    words = _first(said.get("orderMainTitle"), shown, said.get("orderStatusName"))
    name, chosen = _short(goods.get("specName")), _short(goods.get("specValue"))
    return Order(
        id=number,
        item=as_id(found.get("itemId")) or as_id(goods.get("itemId")),
        title=_short(goods.get("title")),
        spec=f"{name}:{chosen}" if name and chosen else chosen or None,
        quantity=_quantity(goods.get("buyAmount")),
        amount=_money(as_dict(as_dict(parts.get("priceInfo")).get("amount")).get("value")),
        buyer=as_id(found.get("peerUserId")) or as_id(as_dict(parts.get("buyerInfo")).get("userId")),
        buyer_name=info.get("买家昵称"),
        status=_status(words) or _CODES.get(as_int(found.get("status")) or 0),
        status_text=words,
        time=_time(info.get("付款时间")) or _time(info.get("下单时间")),
    )


def _components(found: Json) -> Json:
    """Return the parts of an order's page by name; the first of each counts."""
    parts: Json = {}
    listed = found.get("components")
    for each in (listed if isinstance(listed, list) else [])[:_MOST_PARTS]:
        parts = {**as_dict(as_dict(each).get("data")), **parts}
    return parts


def _listed(value: object) -> dict[str, str]:
    rows = [as_dict(each) for each in (value if isinstance(value, list) else [])[:_MOST_PARTS]]
    return {_short(row.get("title")): _short(row.get("value")) for row in rows if row.get("value")}


def sold(data: object) -> OrderPage | None:
    """Return a page of a seller's list, None where the answer has none: an empty list is a list."""
    module = as_dict(as_dict(data).get("module"))
    listed = module.get("items")
    if not isinstance(listed, list) and not ("items" in module and listed is None):
        return None
    more = str(module.get("nextPage")).lower() in ("true", "1")
    return _page([_sold_order(as_dict(each)) for each in (listed or [])[:_MOST_ORDERS]], more=more)


def _page(found: list[Order | None], *, more: bool) -> OrderPage | None:
    """Return a page; None where there are orders and none can be read: an empty list means that nothing waits."""
    orders = [each for each in found if each is not None]
    return OrderPage(orders=orders, more=more and bool(found)) if orders or not found else None


def _sold_order(found: Json) -> Order | None:
    common, buyer, price = (as_dict(found.get(key)) for key in ("commonData", "buyerInfoVO", "priceVO"))
    number = as_id(common.get("orderId"))
    if number is None:
        return None
    words = _short(common.get("orderStatus"))
    refunding = str(common.get("inRefund")).lower() == "true"
    title = _short(common.get("itemTitle")) or _short(as_dict(found.get("itemVO")).get("title"))
    amounts = (_money(price.get(key)) for key in ("totalPrice", "confirmFee", "auctionPrice"))
    return Order(
        id=number,
        item=as_id(common.get("itemId")),
        title=title,
        quantity=_quantity(price.get("buyNum")),
        amount=next((amount for amount in amounts if amount), None),
        buyer=as_id(buyer.get("buyerId")),
        buyer_name=_short(buyer.get("userNick")) or None,
        status="refunding" if refunding else _status(words),
        status_text=words,
        time=_time(common.get("paySuccessTime")) or _time(common.get("createTime")),
    )


def not_permitted(words: str) -> bool:
    """Tell whether a list was refused because the seller may not see it, in the words that one client knows."""
    return "PERMISSION" in words.upper() or "无权限" in words or "权限不足" in words


def sold_plain(data: object) -> OrderPage | None:
    """Return the list of a seller without a shop, None where the answer has none."""
    listed = as_dict(data).get("items")
    if not isinstance(listed, list):
        return None
    return _page([_plain_order(as_dict(each)) for each in listed[:_MOST_ORDERS]], more=False)


def _plain_order(found: Json) -> Order | None:
    number = as_id(found.get("bizOrderId"))
    if number is None:
        return None
    words = _first(*(found.get(key) for key in ("orderStatusMsg", "statusMsg", "orderStatusName")))
    return Order(
        id=number,
        item=as_id(found.get("auctionId")),
        title=_short(found.get("auctionTitle")),
        quantity=_quantity(found.get("buyAmount")),
        amount=_money(found.get("totalFee")),
        buyer=as_id(found.get("buyerId")),
        status=_status(words),
        status_text=words,
        time=_time(found.get("createTime")),
    )


def _status(words: str) -> OrderStatus | None:
    return _WORDS.get(words) or trade_status.of_notice(words)


def _short(value: Any) -> str:
    text = as_text(value).strip()
    return cut(text) if text else ""


def _first(*values: Any) -> str:
    """Return the first that is a text."""
    return next((text for each in values if (text := _short(each))), "")


def _money(value: object) -> str | None:
    """Return an amount of yuan as text; commas and the sign of the yuan are left out."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = f"{value:.2f}" if isinstance(value, float) else str(value).strip().lstrip("¥￥").replace(",", "")
    return text if _MONEY.fullmatch(text) else None


def _quantity(value: object) -> int:
    number = as_int(value)
    return number if number is not None and number > 0 else 1


def _time(value: object) -> str | None:
    """Return a time of the platform's: seconds or milliseconds, or Beijing's wall clock."""
    number = as_int(value)
    if number is not None:
        ms = as_ms(number if number > 100_000_000_000 else number * 1000)
        return None if ms is None else rfc3339(ms)
    try:
        read = datetime.fromisoformat(as_text(value).strip())
    except ValueError:
        return None
    aware = read if read.tzinfo is not None else read.replace(tzinfo=_BEIJING)
    try:
        return rfc3339(int(aware.astimezone(UTC).timestamp() * 1000))
    except (OverflowError, ValueError, OSError):
        return None
