"""What stands before every signed call: whose it is, whether its signature and its login are good. Shell (clock)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import msgspec
from aiohttp import web

from xyfleet.supervisor.simulator.accounts import Account
from xyfleet.supervisor.simulator.faults import Fault
from xyfleet.supervisor.simulator.gateway import Gateway
from xyfleet.supervisor.simulator.signing import (
    APP_KEY_MTOP,
    fingerprint,
    issue_sign_cookie,
    read_sign_cookie,
    set_cookies,
    sign,
)

DEAD: Final = "FAIL_SYS_SESSION_EXPIRED::Session过期"
_EMPTY: Final = "FAIL_SYS_TOKEN_EMPTY::令牌为空"
_EXPIRED: Final = "FAIL_SYS_TOKEN_EXOIRED::令牌过期"
_BAD_SIGN: Final = "FAIL_SYS_ILLEGAL_ACCESS::非法请求"
_CHECK: Final = (
    "https://h5api.m.goofish.com:443//h5/mtop.taobao.idlemessage.pc.login.token/1.0/"
    "_____tmd_____/punish?x5secdata=x&x5step=2&action=captcha"
)
_RISK: Final = {
    "ret": ("FAIL_SYS_USER_VALIDATE", "RGV587_ERROR::SM::哎哟喂,被挤爆啦,请稍后重试"),
    "one": ("FAIL_SYS_USER_VALIDATE::访问被拒绝",),
    "rrxvv": ("RRXVv_ERROR::SM::哎哟喂,被挤爆啦,请稍后重试",),
    "url": ("SUCCESS::调用成功",),
}


class MtopGate:
    """The same for the token's call and for all others."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def known(self, cookies: dict[str, str]) -> Account | None:
        """Return whose call this is."""
        unb = cookies.get("unb", "")
        return self.gateway.account(unb) if unb.isdigit() else None

    def fault(self, account: Account, *kinds: str, issued: float | None = None) -> Fault | None:
        """Return a fault of these kinds that strikes an account's call now."""
        return self.gateway.faults.strike(kinds, account.unb, time.monotonic(), issued=issued)

    def sign_trouble(
        self, account: Account, cookies: dict[str, str], query: dict[str, str], data: str, api: str, version: str
    ) -> web.Response | None:
        """Check what only concerns the signature; the first two answers bring a new signing cookie."""
        given = cookies.get("_m_h5_tk", "")
        stamp = read_sign_cookie(account.unb, given)
        issued = self.gateway.stamps.monotonic(stamp) if stamp is not None else None
        if not given or stamp is None or self.fault(account, "sign_expired", issued=issued):
            new = issue_sign_cookie(account.unb, self.gateway.stamps.next(time.monotonic()))
            lines = set_cookies(new, "goofish.com" if self.gateway.options.strict else None)
            return reply(_EXPIRED if given else _EMPTY, api=api, cookies=lines)
        t = query.get("t", "")
        right = sign(given.partition("_")[0], t, data)
        expected = {"appKey": APP_KEY_MTOP, "api": api, "v": version, "sign": right}
        if len(t) != 13 or not t.isdigit() or any(query.get(name) != value for name, value in expected.items()):
            return reply(_BAD_SIGN, api=api)
        return None

    def dead_words(self, account: Account, cookies: dict[str, str]) -> str | None:
        """Return how a dead login is told, None of a living one."""
        expiries = list(self.gateway.faults.in_force(("session_expired",), account.unb, time.monotonic()))
        lives = account.login(fingerprint(cookies["cookie2"]))
        if lives and not any(fault.params["logins"] for fault in expiries):
            return None
        return next((str(fault.params["ret"]) for fault in expiries), DEAD)


def check_wanted(form: str, api: str) -> web.Response:
    """Return an answer that asks for a check by a person."""
    if form == "redirect":
        return web.Response(status=302, headers={"Location": _CHECK})
    if form == "page":
        return web.Response(text=f"<script>location='{_CHECK}'</script>", content_type="text/html")
    if form == "flag":
        return web.Response(body=msgspec.json.encode({"rgv587_flag": "sm", "url": _CHECK}))
    return reply(*_RISK[form], api=api, data={"url": _CHECK})


def reply(*ret: str, api: str, data: object = None, cookies: Sequence[str] = (), version: str = "1.0") -> web.Response:
    """Return an answer in the form that all have."""
    body = msgspec.json.encode({"api": api, "data": data or {}, "ret": list(ret), "v": version})
    response = web.Response(body=body, content_type="application/json", charset="utf-8")
    for line in cookies:
        response.headers.add("Set-Cookie", line)
    return response
