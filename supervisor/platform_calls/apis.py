"""The signed calls about items and orders: name, version, data, and the page that makes them. Pure.

Sources, and how sure each is: docs/protocol.md, "Items and orders asked for". Untested against the live service.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec

from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.tokens import mtop
from xyfleet.worker.secret import Secret

ITEM: Final = "mtop.taobao.idle.pc.detail"
ORDER: Final = "mtop.idle.web.trade.order.detail"
SOLD: Final = "mtop.taobao.idle.trade.merchant.sold.get"
SOLD_PLAIN: Final = "mtop.taobao.idle.trade.sold.get"
"""The list of a seller who has no shop; one client asks it where the other one is not permitted."""
SHIP: Final = "mtop.taobao.idle.logistic.consign.dummy"
ROWS: Final = 30
"""Orders on a page."""
_WEB: Final = "https://www.goofish.com"
_SELLER: Final = "https://seller.goofish.com"
_ORDERS_PAGE: Final = f"{_SELLER}/?site=COMMONPRO#/seller-trade/order-manage"
_NAME: Final = re.compile(r"mtop(\.[A-Za-z0-9_]{1,60}){1,10}")
_VERSION: Final = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}")
ID: Final = re.compile(r"[0-9]{1,32}")
"""Of an item or an order."""


class ApiCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    api: str
    version: str = "1.0"
    data: str
    """JSON; signed byte for byte."""
    origin: str = _WEB
    referer: str = f"{_WEB}/"
    query: dict[str, str] = {}
    """What the page's query has besides what all have."""
    headers: dict[str, str] = {}
    changes: bool = False
    """Whether it may change something: then it is made once, never again by itself."""


def item(number: str) -> ApiCall:
    """Return the call that describes an item."""
    return ApiCall(api=ITEM, data=_json({"itemId": number}), referer=f"{_WEB}/item?id={number}")


def order(number: str) -> ApiCall:
    """Return the call that describes an order."""
    page = f"{_WEB}/order-detail?orderId={number}&role=seller"
    return ApiCall(api=ORDER, data=_json({"tid": number}), referer=page, query={"valueType": "string"})


def sold(page: int) -> ApiCall:
    """Return the call that lists orders that wait for shipment; pages count from 1."""
    data = {"pageNumber": page, "rowsPerPage": ROWS, "orderIds": "", "queryCode": "NOT_SHIP", "orderSearchParam": "{}"}
    return ApiCall(
        api=SOLD,
        data=_json(data),
        origin=_SELLER,
        referer=_ORDERS_PAGE.partition("#")[0],  # a browser sends no fragment
        query={"type": "json", "valueType": "string", "spm_cnt": "a21107h.42831410.0.0"},
        headers={"idle_site_biz_code": "COMMONPRO"},
    )


def sold_plain() -> ApiCall:
    """Return the call that lists them for a seller without a shop; only a first page is known."""
    data = {"pageNumber": 1, "orderStatus": "NOT_SHIP", "offsetRow": 0}
    origin = "https://h5.m.goofish.com"
    query = {"valueType": "original"}
    return ApiCall(api=SOLD_PLAIN, version="5.0", data=_json(data), origin=origin, referer=f"{origin}/", query=query)


def ship(number: str) -> ApiCall:
    """Return the call that marks an order as shipped without postage."""
    data = {"orderId": number, "tradeText": "", "picList": [], "newUnconsign": True}
    return ApiCall(api=SHIP, data=_json(data), changes=True)


def free(api: str, version: str, data: str) -> ApiCall | None:
    """Return a call of an API that the owner names, None if its name, version or data can't be one's."""
    if not _NAME.fullmatch(api) or not _VERSION.fullmatch(version):
        return None
    try:
        wanted = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return ApiCall(api=api, version=version, data=_json(wanted), changes=True) if isinstance(wanted, dict) else None


def query(call: ApiCall, cookie: Secret, now: float) -> dict[str, str]:
    """Return a call's query at wall time `now`, signed with what the cookie has for it."""
    found = mtop.query(cookies.sign_token(cookie), str(int(now * 1000)), call.data)
    del found["spm_cnt"]  # the chat page's
    return found | {"api": call.api, "v": call.version} | call.query


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
