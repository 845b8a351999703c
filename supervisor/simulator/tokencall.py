"""The token call: checks the signature and the login, and issues access tokens. Shell (an HTTP route)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web

from xyfleet.supervisor.simulator.accounts import Account
from xyfleet.supervisor.simulator.faults import Fault
from xyfleet.supervisor.simulator.gateway import Gateway
from xyfleet.supervisor.simulator.signing import (
    APP_KEY_IM,
    APP_KEY_MTOP,
    DEVICE_ID,
    fingerprint,
    issue_sign_cookie,
    issue_token,
    read_cookies,
    read_sign_cookie,
    set_cookies,
    sign,
)

ANY_API: Final = "/h5/{api}/{version}/"
TOKEN_PATH: Final = "/h5/mtop.taobao.idlemessage.pc.login.token/1.0/"
API: Final = "mtop.taobao.idlemessage.pc.login.token"

_OK: Final = "SUCCESS::调用成功"
_EMPTY: Final = "FAIL_SYS_TOKEN_EMPTY::令牌为空"
_EXPIRED: Final = "FAIL_SYS_TOKEN_EXOIRED::令牌过期"
_BAD_SIGN: Final = "FAIL_SYS_ILLEGAL_ACCESS::非法请求"
_BAD_PARAM: Final = "FAIL_SYS_PARAMINVALID_ERROR::参数错误"
_DEAD: Final = "FAIL_SYS_SESSION_EXPIRED::Session过期"
_CHECK: Final = f"https://h5api.m.goofish.com:443/{TOKEN_PATH}_____tmd_____/punish?x5secdata=x&x5step=2&action=captcha"
_RISK: Final = {
    "ret": ("FAIL_SYS_USER_VALIDATE", "RGV587_ERROR::SM::哎哟喂,被挤爆啦,请稍后重试"),
    "one": ("FAIL_SYS_USER_VALIDATE::访问被拒绝",),
    "rrxvv": ("RRXVv_ERROR::SM::哎哟喂,被挤爆啦,请稍后重试",),
    "url": ("SUCCESS::调用成功",),
}


class TokenCall:
    """The handler of the token call."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, request: web.Request) -> web.Response:
        """Answer one call."""
        cookies = read_cookies(request.headers.get("Cookie", ""))
        form = await request.post()
        account = self._known(cookies)
        if account is not None and (slow := self._fault(account, "token_slow")):
            await asyncio.sleep(slow.params["seconds"])
        if account is not None and (broken := self._fault(account, "token_garbage", "token_http")):
            if broken.kind.name == "token_http":
                return web.Response(status=broken.params["status"], text="fault: token_http")
            return web.Response(text=broken.params["body"], content_type="text/html")
        return self._answer(account, cookies, dict(request.query), str(form.get("data", "")))

    def _known(self, cookies: dict[str, str]) -> Account | None:
        """Return whose call this is, and count it."""
        unb, now = cookies.get("unb", ""), time.monotonic()
        account = self._gateway.account(unb) if unb.isdigit() else None
        counters = account.counters if account else self._gateway.nobody
        counters.token_calls += 1
        counters.token_times.append(now)
        return account

    def _fault(self, account: Account, *kinds: str, issued: float | None = None) -> Fault | None:
        return self._gateway.faults.strike(kinds, account.unb, time.monotonic(), issued=issued)

    def _answer(
        self, account: Account | None, cookies: dict[str, str], query: dict[str, str], data: str
    ) -> web.Response:
        if account is None or not cookies.get("cookie2"):
            return _reply(_DEAD)
        if (trouble := self._sign_trouble(account, cookies, query, data)) is not None:
            return trouble
        device_id = _device_id(data, account.unb if self._gateway.options.strict else None)
        if device_id is None:
            return _reply(_BAD_PARAM)
        login = fingerprint(cookies["cookie2"])
        if not account.login(login) or self._refuses_logins(account):
            return _reply(self._dead_words(account))
        if risk := self._fault(account, "risk"):
            return _risk(risk.params["form"])
        if words := self._fault(account, "token_ret"):
            return _reply(words.params["ret"])
        if self._fault(account, "token_without_token"):
            return _reply(_OK)
        return self._issue(account, login, device_id)

    def _sign_trouble(
        self, account: Account, cookies: dict[str, str], query: dict[str, str], data: str
    ) -> web.Response | None:
        """Check what only concerns the signature; the first two answers bring a new signing cookie."""
        given = cookies.get("_m_h5_tk", "")
        stamp = read_sign_cookie(account.unb, given)
        issued = self._gateway.stamps.monotonic(stamp) if stamp is not None else None
        if not given or stamp is None or self._fault(account, "sign_expired", issued=issued):
            new = issue_sign_cookie(account.unb, self._gateway.stamps.next(time.monotonic()))
            lines = set_cookies(new, "goofish.com" if self._gateway.options.strict else None)
            return _reply(_EXPIRED if given else _EMPTY, cookies=lines)
        t = query.get("t", "")
        right = sign(given.partition("_")[0], t, data)
        expected = {"appKey": APP_KEY_MTOP, "api": API, "v": "1.0", "sign": right}
        if len(t) != 13 or not t.isdigit() or any(query.get(name) != value for name, value in expected.items()):
            return _reply(_BAD_SIGN)
        return None

    def _refuses_logins(self, account: Account) -> bool:
        return any(fault.params["logins"] for fault in self._expiries(account))

    def _dead_words(self, account: Account) -> str:
        return next((str(fault.params["ret"]) for fault in self._expiries(account)), _DEAD)

    def _expiries(self, account: Account) -> list[Fault]:
        return list(self._gateway.faults.in_force(("session_expired",), account.unb, time.monotonic()))

    def _issue(self, account: Account, login: str, device_id: str) -> web.Response:
        gateway, now = self._gateway, time.monotonic()
        fault = self._fault(account, "token_ttl")
        life = fault.params["seconds"] if fault else gateway.options.token_ttl
        token = issue_token(account.unb, login, device_id, gateway.stamps.next(now), life)
        account.counters.tokens_issued += 1
        data = {
            "accessToken": quote(token, safe="") if self._fault(account, "token_quoted") else token,
            "accessTokenExpiredTime": str(int(life * 1000)),
            "refreshToken": "r",
        }
        if novelty := self._fault(account, "token_key"):
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


def _risk(form: str) -> web.Response:
    """Return an answer that asks for a check by a person."""
    if form == "redirect":
        return web.Response(status=302, headers={"Location": _CHECK})
    if form == "page":
        return web.Response(text=f"<script>location='{_CHECK}'</script>", content_type="text/html")
    if form == "flag":
        return web.Response(body=msgspec.json.encode({"rgv587_flag": "sm", "url": _CHECK}))
    return _reply(*_RISK[form], data={"url": _CHECK})


async def unknown_api(request: web.Request) -> web.Response:
    """Answer a call of any other mtop API as mtop does."""
    return _reply("FAIL_SYS_API_NOT_FOUNDED::请求API不存在", api=request.match_info["api"])


def _reply(*ret: str, data: object = None, cookies: Sequence[str] = (), api: str = API) -> web.Response:
    body = msgspec.json.encode({"api": api, "data": data or {}, "ret": list(ret), "v": "1.0"})
    response = web.Response(body=body, content_type="application/json", charset="utf-8")
    for line in cookies:
        response.headers.add("Set-Cookie", line)
    return response
