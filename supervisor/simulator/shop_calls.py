"""The signed calls about items and orders, and where a test puts them. Shell (HTTP routes)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from xyfleet.supervisor.platform_calls import apis
from xyfleet.supervisor.simulator.accounts import Account
from xyfleet.supervisor.simulator.gateway import Gateway
from xyfleet.supervisor.simulator.mtop_gate import DEAD, MtopGate, check_wanted, reply
from xyfleet.supervisor.simulator.shop import BAD, Answer, Sale, Shop, SoldOrder
from xyfleet.supervisor.simulator.signing import read_cookies

ANY_API: Final = "/h5/{api}/{version}/"
_UNKNOWN: Final = "FAIL_SYS_API_NOT_FOUNDED::请求API不存在"
_ANSWERS: Final[dict[str, Callable[[Shop, Any], Answer]]] = {
    apis.ITEM: Shop.item,
    apis.ORDER: Shop.order,
    apis.SOLD: Shop.sold,
    apis.SOLD_PLAIN: Shop.sold_plain,
    apis.SHIP: Shop.ship,
}


class _Put(msgspec.Struct, forbid_unknown_fields=True):
    unb: str
    orders: list[SoldOrder] = []
    items: list[Sale] = []
    no_items: list[str] = []
    plain: bool = False


class ShopCalls:
    """The handler of these calls; an API that is not known is answered as mtop does."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._gate = MtopGate(gateway)

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """Return all routes."""
        return [
            web.route("*", ANY_API, self._call),
            web.post(f"{prefix}/shop", self._put),
            web.get(f"{prefix}/shop", self._show),
        ]

    async def _call(self, request: web.Request) -> web.Response:
        api = request.match_info["api"]
        answer = _ANSWERS.get(api)
        if answer is None or request.method != "POST":
            return reply(_UNKNOWN, api=api)
        cookies = read_cookies(request.headers.get("Cookie", ""))
        account = self._gate.known(cookies)
        data = str((await request.post()).get("data", ""))
        if account is None or not cookies.get("cookie2"):
            return reply(DEAD, api=api)
        account.counters.asks[api] = account.counters.asks.get(api, 0) + 1
        if slow := self._gate.fault(account, "ask_slow"):
            await asyncio.sleep(slow.params["seconds"])
        if broken := self._gate.fault(account, "ask_http"):
            return web.Response(status=broken.params["status"], text="fault: ask_http")
        trouble = self._gate.sign_trouble(
            account, cookies, dict(request.query), data, api, request.match_info["version"]
        )
        return trouble or self._answer(account, cookies, api, data, request)

    def _answer(
        self, account: Account, cookies: dict[str, str], api: str, data: str, request: web.Request
    ) -> web.Response:
        if (words := self._gate.dead_words(account, cookies)) is not None:
            return reply(words, api=api)
        if risk := self._gate.fault(account, "ask_risk"):
            return check_wanted(risk.params["form"], api)
        if said := self._gate.fault(account, "ask_ret"):
            return reply(said.params["ret"], api=api)
        try:
            wanted: Any = msgspec.json.decode(data)
        except msgspec.MsgspecError:
            wanted = None
        found = _ANSWERS[api](account.shop, wanted) if isinstance(wanted, dict) else Answer(BAD)
        if self._gate.fault(account, "ask_lost") and request.transport is not None:
            request.transport.abort()  # it was carried out, and nobody hears of it
        return reply(found.ret, api=api, data=found.data)

    async def _put(self, request: web.Request) -> web.Response:
        try:
            wanted = msgspec.json.decode(await request.read(), type=_Put)
        except msgspec.MsgspecError as error:
            return web.json_response({"error": str(error)}, status=400)
        shop = self._gateway.account(wanted.unb).shop
        shop.plain = wanted.plain
        for order in wanted.orders:
            shop.put(order)
        shop.items |= {sale.id: sale for sale in wanted.items} | dict.fromkeys(wanted.no_items)
        return web.json_response({})

    async def _show(self, request: web.Request) -> web.Response:
        shop = self._gateway.account(request.query["unb"]).shop
        orders = {order.id: order.status for order in shop.orders.values()}
        return web.json_response({"orders": orders, "shipped": shop.shipped, "asked": shop.asked})
