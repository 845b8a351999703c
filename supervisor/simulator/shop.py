"""What an account sells as the server keeps it: items, orders, and the answers to calls about them. Pure.

The shapes are those of docs/protocol.md, "Items and orders asked for": read in public clients, never captured here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

OK: Final = "SUCCESS::调用成功"
NO_ORDER: Final = "FAIL_BIZ_ORDER_NOT_FOUND::订单不存在"
NO_ITEM: Final = "FAIL_BIZ_ITEM_NOT_FOUND::宝贝不存在"
SHIPPED: Final = "FAIL_BIZ_ORDER_ALREADY_DELIVERY::订单已发货成功"
WRONG_STATE: Final = "FAIL_BIZ_ORDER_STATUS_ERROR::订单状态错误"
NO_SHOP: Final = "FAIL_BIZ_PERMISSION_EXCEPTION::无权限"
BAD: Final = "FAIL_SYS_PARAMINVALID_ERROR::参数错误"
_WORDS: Final = {
    "created": "待付款",
    "paid": "待发货",
    "shipped": "已发货",
    "received": "交易成功",
    "reviewed": "交易成功",
    "refunding": "退款中",
    "refunded": "退款成功",
    "closed": "交易关闭",
}
_CODES: Final = {"待付款": 1, "待发货": 2, "已发货": 3, "交易成功": 4, "退款中": 7, "退款成功": 8, "交易关闭": 10}
_KEPT: Final = 20_000
"""Most orders kept."""


class SoldOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An order; what a test does not give is filled in."""

    id: str
    status: str = "paid"
    """One of `trade.STAGES`."""
    item: str = "900000000001"
    title: str = "测试商品"
    spec: str = ""
    """`name:value`."""
    quantity: int = 1
    amount: str = "9.90"
    buyer: str = "3300000000002"
    buyer_name: str = "买家甲"
    time: int = 0
    """Milliseconds since the epoch."""

    @property
    def words(self) -> str:
        """What the platform calls its state."""
        return _WORDS[self.status]


class Sale(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An item for sale; what a test does not give is filled in."""

    id: str
    title: str = "测试商品"
    price: str = "9.90"
    desc: str = "自动发货"
    quantity: int = 100
    specs: list[str] = []
    """Each `name:value`."""


class Answer(msgspec.Struct):
    """What a call is answered."""

    ret: str
    data: Any = {}


class Shop:
    """One account's. Every item that is asked for is there, unless `items` says otherwise."""

    def __init__(self) -> None:
        self.orders: dict[str, SoldOrder] = {}
        self.items: dict[str, Sale | None] = {}
        """None: there is none of this id."""
        self.plain = False
        """Whether the account has no shop, and so may not see the list of those that have one."""
        self.shipped: list[str] = []
        """Orders, each time that a call marked one as shipped."""
        self.asked: list[str] = []
        """Orders, each time that a call was to do so."""

    def put(self, order: SoldOrder) -> None:
        """Keep an order, in the place of an older one of its id."""
        self.orders.pop(order.id, None)
        self.orders[order.id] = order
        while len(self.orders) > _KEPT:
            del self.orders[next(iter(self.orders))]

    def item(self, data: Any) -> Answer:
        """Describe an item."""
        number = str(data.get("itemId") or "")
        sale = self.items.get(number, Sale(id=number)) if number.isdigit() else None
        if sale is None:
            return Answer(NO_ITEM)
        cents = int(float(sale.price) * 100 + 0.5)
        skus = [
            {
                "skuId": 7000 + place,
                "price": cents,
                "priceInCent": cents,
                "quantity": sale.quantity,
                "propertyList": [{"propertyText": name, "valueText": value, "actualValueText": value}],
            }
            for place, (name, _, value) in enumerate(spec.partition(":") for spec in sale.specs)
        ]
        shown = {
            "itemId": int(number),
            "title": sale.title,
            "desc": sale.desc,
            "soldPrice": sale.price,
            "quantity": sale.quantity,
            "itemStatusStr": "在线",
            "skuList": skus,
        }
        return Answer(OK, {"itemDO": shown, "sellerDO": {"sellerId": 0, "nick": "卖家"}})

    def order(self, data: Any) -> Answer:
        """Describe an order."""
        order = self.orders.get(str(data.get("tid") or ""))
        if order is None:
            return Answer(NO_ORDER)
        name, _, value = order.spec.partition(":")
        goods = {"title": order.title, "price": order.amount, "buyAmount": str(order.quantity)}
        chosen = {"specName": name, "specValue": value} if value else {}
        rows = {"订单编号": order.id, "买家昵称": order.buyer_name, "付款时间": _clock(order.time)}
        page = {
            "itemInfo": goods | chosen,
            "priceInfo": {"amount": {"title": "成交价", "value": order.amount}},
            "orderInfoList": [{"title": title, "value": said} for title, said in rows.items()],
        }
        return Answer(
            OK,
            {
                "orderId": order.id,
                "itemId": order.item,
                "peerUserId": order.buyer,
                "status": _CODES[order.words],
                "utArgs": {"orderStatusName": order.words},
                "components": [{"render": "orderInfoVO", "data": page}],
            },
        )

    def sold(self, data: Any) -> Answer:
        """List orders, the newest first."""
        if self.plain:
            return Answer(NO_SHOP)
        page, rows = data.get("pageNumber"), data.get("rowsPerPage")
        if not isinstance(page, int) or not isinstance(rows, int) or page < 1 or not 1 <= rows <= 50:
            return Answer(BAD)
        wanted = [each for each in reversed(self.orders.values()) if data.get("queryCode") == "ALL" or _waits(each)]
        end = page * rows
        shown = [_listed(each) for each in wanted[end - rows : end]]
        more = str(end < len(wanted)).lower()
        return Answer(OK, {"module": {"items": shown, "nextPage": more, "totalCount": str(len(wanted))}})

    def sold_plain(self, data: Any) -> Answer:
        """List orders that wait for shipment to a seller without a shop."""
        if data.get("orderStatus") != "NOT_SHIP":
            return Answer(BAD)
        return Answer(OK, {"items": [_plain(each) for each in reversed(self.orders.values()) if _waits(each)][:20]})

    def ship(self, data: Any) -> Answer:
        """Mark an order as shipped."""
        self.asked.append(str(data.get("orderId") or ""))
        order = self.orders.get(self.asked[-1])
        if order is None or data.get("newUnconsign") is not True:
            return Answer(NO_ORDER if order is None else BAD)
        if order.status in ("shipped", "received", "reviewed"):
            return Answer(SHIPPED)
        if not _waits(order):
            return Answer(WRONG_STATE)
        order.status = "shipped"
        self.shipped.append(order.id)
        return Answer(OK, {"success": True})


def _waits(order: SoldOrder) -> bool:
    return order.status == "paid"


def _listed(order: SoldOrder) -> dict[str, Any]:
    return {
        "commonData": {
            "orderId": order.id,
            "itemId": order.item,
            "itemTitle": order.title,
            "orderStatus": order.words,
            "createTime": _clock(order.time),
            "paySuccessTime": _clock(order.time),
            "inRefund": str(order.status == "refunding").lower(),
        },
        "buyerInfoVO": {"buyerId": order.buyer, "userNick": order.buyer_name, "phone": "13800000000"},
        "priceVO": {"totalPrice": order.amount, "buyNum": str(order.quantity)},
    }


def _plain(order: SoldOrder) -> dict[str, Any]:
    return {
        "bizOrderId": order.id,
        "auctionId": order.item,
        "auctionTitle": order.title,
        "buyerId": order.buyer,
        "buyAmount": order.quantity,
        "totalFee": order.amount,
        "orderStatusMsg": "等待卖家发货",
        "createTime": _clock(order.time),
    }


def _clock(ms: int) -> str:
    """Return a time as the platform shows it: Beijing's wall clock, in seconds."""
    return (datetime.fromtimestamp(ms / 1000, UTC) + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")
