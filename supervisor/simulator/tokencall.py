"""The token call: checks the signature and the login, and issues access tokens. Shell (an HTTP route)."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web

from xyfleet.supervisor.simulator.accounts import Account
from xyfleet.supervisor.simulator.gateway import Gateway
from xyfleet.supervisor.simulator.mtop_gate import DEAD, MtopGate, check_wanted, reply
from xyfleet.supervisor.simulator.signing import APP_KEY_IM, DEVICE_ID, fingerprint, issue_token, read_cookies

TOKEN_PATH: Final = "/h5/mtop.taobao.idlemessage.pc.login.token/1.0/"
API: Final = "mtop.taobao.idlemessage.pc.login.token"

_OK: Final = "SUCCESS::调用成功"
_BAD_PARAM: Final = "FAIL_SYS_PARAMINVALID_ERROR::参数错误"


class TokenCall:
    """The handler of the token call."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._gate = MtopGate(gateway)

    async def __call__(self, request: web.Request) -> web.Response:
        """Answer one call."""
        cookies = read_cookies(request.headers.get("Cookie", ""))
        form = await request.post()
        account = self._known(cookies)
        if account is not None and (slow := self._gate.fault(account, "token_slow")):
            await asyncio.sleep(slow.params["seconds"])
        if account is not None and (broken := self._gate.fault(account, "token_garbage", "token_http")):
            if broken.kind.name == "token_http":
                return web.Response(status=broken.params["status"], text="fault: token_http")
            return web.Response(text=broken.params["body"], content_type="text/html")
        return self._answer(account, cookies, dict(request.query), str(form.get("data", "")))

    def _known(self, cookies: dict[str, str]) -> Account | None:
        """Return whose call this is, and count it."""
        account = self._gate.known(cookies)
        counters = account.counters if account else self._gateway.nobody
        counters.token_calls += 1
        counters.token_times.append(time.monotonic())
        return account

    def _answer(
        self, account: Account | None, cookies: dict[str, str], query: dict[str, str], data: str
    ) -> web.Response:
        if account is None or not cookies.get("cookie2"):
            return _reply(DEAD)
        if (trouble := self._gate.sign_trouble(account, cookies, query, data, API, "1.0")) is not None:
            return trouble
        device_id = _device_id(data, account.unb if self._gateway.options.strict else None)
        if device_id is None:
            return _reply(_BAD_PARAM)
        if (dead := self._gate.dead_words(account, cookies)) is not None:
            return _reply(dead)
        if risk := self._gate.fault(account, "risk"):
            return check_wanted(risk.params["form"], API)
        if words := self._gate.fault(account, "token_ret"):
            return _reply(words.params["ret"])
        if self._gate.fault(account, "token_without_token"):
            return _reply(_OK)
        return self._issue(account, fingerprint(cookies["cookie2"]), device_id)

    def _issue(self, account: Account, login: str, device_id: str) -> web.Response:
        gateway, now = self._gateway, time.monotonic()
        fault = self._gate.fault(account, "token_ttl")
        life = fault.params["seconds"] if fault else gateway.options.token_ttl
        token = issue_token(account.unb, login, device_id, gateway.stamps.next(now), life)
        account.counters.tokens_issued += 1
        data = {
            "accessToken": quote(token, safe="") if self._gate.fault(account, "token_quoted") else token,
            "accessTokenExpiredTime": str(int(life * 1000)),
            "refreshToken": "r",
        }
        if novelty := self._gate.fault(account, "token_key"):
            data[novelty.params["key"]] = "v"
        return _reply(_OK, data=data)


def _device_id(data: str, unb: str | None) -> str | None:
    """
    Return the device id of the form's JSON, or None where it is not what the protocol asks for.

    Args:
        unb: whose it must be in the page's form; None: any text is taken.
    """
    try:
        wanted: Any = msgspec.json.decode(data)
    except msgspec.MsgspecError:
        return None
    if not isinstance(wanted, dict) or wanted.get("appKey") != APP_KEY_IM:
        return None
    given = wanted.get("deviceId")
    if unb is None:
        return given if isinstance(given, str) and given else None
    match = DEVICE_ID.fullmatch(str(given))
    return match[0] if match and match["unb"] == unb else None


def _reply(*ret: str, data: object = None) -> web.Response:
    return reply(*ret, api=API, data=data)
