"""The login page: codes to be scanned, and the page's silent renewals. Shell (HTTP routes).

What is known of the real page, and how sure it is: docs/protocol.md, "The login page". The rest is made up.
"""

from __future__ import annotations

import itertools
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from aiohttp import web

from xyfleet.supervisor.simulator.accounts import Account
from xyfleet.supervisor.simulator.gateway import Gateway
from xyfleet.supervisor.simulator.login_script import LOGIN_SCRIPT
from xyfleet.supervisor.simulator.signing import fingerprint, issue_sign_cookie, read_cookies, read_sign_cookie, sign

USER_PATH: Final = "/h5/mtop.taobao.idlemessage.pc.loginuser.get/1.0/"
LONG_LOGIN: Final = 30 * 86_400
SILENT: Final = 86_400
"""Seconds that a renewal asks for none."""
CODE_LIFE: Final = 180.0
_ACTS: Final = {
    "scan": "SCANED",
    "confirm": "CONFIRMED",
    "cancel": "CANCELED",
    "expire": "EXPIRED",
    "check": "CHECK",
    "second": "SECOND",
    "pass": "PASSED",
    "browser": "BROWSER",
}
_CHECK: Final = "https://passport.goofish.com/iv/mini/normal_validate.htm?htoken=x"
_VIEW: Final = {"appName": "xianyu", "appEntrance": "web", "_csrf_token": "c1", "umidToken": "u1", "hsiz": "h1"}


@dataclass(slots=True)
class Code:
    """One code that was given out."""

    made: float
    status: str = "NEW"
    unb: str = ""
    polls: int = 0


@dataclass(slots=True)
class Figures:
    """What was asked of the login page, by user where one is known."""

    codes: int = 0
    polls: int = 0
    renewals: dict[str, list[float]] = field(default_factory=dict)
    """Monotonic times."""
    looks: dict[str, list[float]] = field(default_factory=dict)
    """Of the calls that ask who is logged in."""


class Passport:
    """The page's handlers."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._codes: dict[str, Code] = {}
        self._numbers = itertools.count(1)
        self.figures = Figures()
        self._at_page = ""
        """Who is to be logged in by the next look at the page."""
        gateway.on_forget.append(self._forget)

    def _forget(self) -> None:
        self._codes.clear()
        self.figures = Figures()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes that a browser knows."""
        return [
            web.get("/mini_login.htm", self._page),
            web.get("/newlogin/qrcode/generate.do", self._generate),
            web.post("/newlogin/qrcode/query.do", self._query),
            web.get("/newlogin/async.do", self._async),
            web.get("/iv/mini/normal_validate.htm", self._normal_validate),
            web.get("/iv/mini/verify_modes.htm", self._verify_modes),
            web.get("/iv/mini/identity_verify.htm", self._identity_verify),
            web.get("/iv/photoVerify/check.do", self._second_query),
            web.get("/ivCheckLogin.htm", self._second_end),
            web.post("/ac/account/setLoginSettings.do", self._settings),
            web.get("/im", self._im),
            web.post("/newlogin/silentHasLogin.do", self._renew),
            web.post(USER_PATH, self._user),
        ]

    def control(self, prefix: str) -> list[web.RouteDef]:
        """Return the routes by which the phone is played."""
        return [web.post(f"{prefix}/qr", self._phone), web.get(f"{prefix}/passport", self._figures)]

    # Logging in by code.

    async def _page(self, request: web.Request) -> web.Response:
        view = {"loginFormData": {**_VIEW, "mainPage": False, "isMobile": False, "lang": "zh_CN", "fromSite": "77"}}
        response = web.Response(
            text=f"<html><script>window.viewData = {msgspec.json.encode(view).decode()};</script></html>",
            content_type="text/html",
        )
        return _setting(response, {"XSRF-TOKEN": "x1", "_tb_token_": "t1", "cookie2": f"page-{secrets.token_hex(4)}"})

    async def _generate(self, request: web.Request) -> web.Response:
        key = f"ck{next(self._numbers)}"
        self._codes[key] = Code(time.monotonic())
        self.figures.codes += 1
        text = f"https://passport.goofish.com/qrcodeCheck.htm?lgToken={key}&_from=havana"
        return _answer({"t": int(time.time() * 1000), "ck": key, "codeContent": text, "resultCode": 100})

    async def _query(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.figures.polls += 1
        code = self._codes.get(str(form.get("ck", "")))
        if code is None or not str(form.get("t", "")).isdigit():
            return web.json_response({"hasError": True})
        code.polls += 1
        if code.status == "NEW" and time.monotonic() - code.made > CODE_LIFE:
            code.status = "EXPIRED"
        if code.status == "CHECK":
            return _answer({"qrCodeStatus": "CONFIRMED", "iframeRedirect": True, "iframeRedirectUrl": _CHECK})
        if code.status in ("SECOND", "PASSED"):
            check = str(request.url.with_path("/iv/mini/normal_validate.htm").with_query(htoken=str(form["ck"])))
            return _answer({"qrCodeStatus": "CONFIRMED", "iframeRedirect": True, "iframeRedirectUrl": check})
        if code.status != "CONFIRMED":
            return _answer({"qrCodeStatus": code.status, "resultCode": 100})
        urls = [str(request.url.with_path("/newlogin/async.do").with_query(n="1"))]
        landing = "https://www.goofish.com/im"
        data = {"qrCodeStatus": "CONFIRMED", "processFinished": True, "asyncUrls": urls, "resultCode": 100}
        response = _answer(data | {"iframeRedirect": True, "iframeRedirectUrl": landing})
        return _logged_in(response, code.unb)

    async def _async(self, request: web.Request) -> web.Response:
        return _setting(web.Response(text="ok"), {"t": secrets.token_hex(8)})

    async def _settings(self, request: web.Request) -> web.Response:
        if not read_cookies(request.headers.get("Cookie", "")).get("unb"):
            return web.json_response({"success": False})
        until = str(int((time.time() + LONG_LOGIN) * 1000))
        cookies = {"havana_lgc2_77": "eyJoaWQiOjF9", "havana_lgc_exp": until}
        return _setting(web.json_response({"success": True}), cookies)

    async def _im(self, request: web.Request) -> web.Response:
        """A page with a code to be scanned; who logs in there by hand is played by `POST /_sim/qr`, `do: browser`."""
        response = _page_with(LOGIN_SCRIPT)
        unb, self._at_page = self._at_page, ""
        if not unb:
            return response
        cookies = {"unb": unb, "cookie2": f"web-{secrets.token_hex(8)}", "sgcookie": "s2"}
        return _setting(response, cookies | issue_sign_cookie(unb, self._gateway.stamps.next(time.monotonic())))

    # The second code.

    async def _normal_validate(self, request: web.Request) -> web.Response:
        key = request.query.get("htoken", "")
        script = f'window.location.href = "//{request.host}/iv/mini/verify_modes.htm?htoken={key}&amp;_umidfg=";'
        return _page_with(script)

    async def _verify_modes(self, request: web.Request) -> web.Response:
        if request.query.get("_umidfg") != "1":
            return _page_with("")
        raise web.HTTPFound(f"/iv/mini/identity_verify.htm?htoken={request.query['htoken']}")

    async def _identity_verify(self, request: web.Request) -> web.Response:
        text = f"https:\\/\\/passport.goofish.com\\/iv\\/face?htoken={request.query['htoken']}&amp;v=1"
        return _page_with(f'new Qrcode({{ text: "{text}" }});')

    async def _second_query(self, request: web.Request) -> web.Response:
        key = request.query.get("htoken", "")
        self.figures.polls += 1
        code = self._codes.get(key)
        if code is None or code.status != "PASSED":
            return web.json_response({"content": {"code": "0"}})
        return web.json_response({"content": {"code": 3, "url": f"/ivCheckLogin.htm?htoken={key}"}})

    async def _second_end(self, request: web.Request) -> web.Response:
        code = self._codes.get(request.query.get("htoken", ""))
        response = web.Response(text="ok")
        return response if code is None or code.status != "PASSED" else _logged_in(response, code.unb)

    # Staying logged in.

    async def _user(self, request: web.Request) -> web.Response:
        cookies = read_cookies(request.headers.get("Cookie", ""))
        unb = cookies.get("unb", "")
        account = self._gateway.account(unb) if unb.isdigit() else None
        if account is None:
            return _mtop("FAIL_SYS_SESSION_EXPIRED::Session过期")
        self.figures.looks.setdefault(unb, []).append(time.monotonic())
        if self._strikes(account, "risk"):
            return _mtop("FAIL_SYS_USER_VALIDATE", "RGV587_ERROR::SM::哎哟喂,被挤爆啦,请稍后重试")
        given = cookies.get("_m_h5_tk", "")
        form = await request.post()
        right = sign(given.partition("_")[0], request.query.get("t", ""), str(form.get("data", "")))
        if read_sign_cookie(unb, given) is None or request.query.get("sign") != right:
            new = issue_sign_cookie(unb, self._gateway.stamps.next(time.monotonic()))
            return _setting(_mtop("FAIL_SYS_TOKEN_EMPTY::令牌为空"), new)
        if not account.login(fingerprint(cookies.get("cookie2", ""))):
            return _mtop("FAIL_SYS_SESSION_EXPIRED::Session过期")
        return _mtop("SUCCESS::调用成功", data={"userId": unb, "nick": "n"})

    async def _renew(self, request: web.Request) -> web.Response:
        cookies = read_cookies(request.headers.get("Cookie", ""))
        unb = cookies.get("unb", "")
        account = self._gateway.account(unb) if unb.isdigit() else None
        if account is None:
            return _answer({"resultCode": 0})
        self.figures.renewals.setdefault(unb, []).append(time.monotonic())
        if self._strikes(account, "check"):
            return _answer({"iframeRedirect": True, "iframeRedirectUrl": _CHECK})
        dead = not account.login(fingerprint(cookies.get("cookie2", "")))
        if dead or self._strikes(account, "refused"):
            return _answer({"processFinished": False, "resultCode": 0})
        until = str(int((time.time() + LONG_LOGIN) * 1000))
        cookies = {"havana_lgc_exp": until, "sdkSilent": str(int((time.time() + SILENT) * 1000))}
        return _setting(_answer({"processFinished": True, "resultCode": 100}), cookies)

    def _strikes(self, account: Account, answer: str) -> bool:
        faults = self._gateway.faults.in_force(("renewal",), account.unb, time.monotonic())
        for fault in faults:
            if fault.params["answer"] == answer:
                fault.strikes += 1
                return True
        return False

    # The phone.

    async def _phone(self, request: web.Request) -> web.Response:
        """Play the phone with the newest code: `{"do": "scan|confirm|second|pass|…", "unb": "…"}`."""
        try:
            wanted: Any = msgspec.json.decode(await request.read())
            status, unb = _ACTS[wanted["do"]], str(wanted.get("unb", ""))
        except (msgspec.MsgspecError, KeyError, TypeError, AttributeError):
            return web.json_response({"error": f"wanted: do, one of {', '.join(_ACTS)}, and unb"}, status=400)
        if status == "BROWSER":
            self._at_page = unb
            return web.json_response({})
        if not self._codes:
            return web.json_response({"error": "no code was given out yet"}, status=404)
        key = str(wanted.get("ck") or next(reversed(self._codes)))
        code = self._codes.get(key)
        if code is None or (status in ("CONFIRMED", "PASSED") and not unb.isdigit()):
            return web.json_response({"error": "no such code, or no unb"}, status=404)
        code.status, code.unb = status, unb or code.unb
        return web.json_response({"ck": key})

    async def _figures(self, request: web.Request) -> web.Response:
        figures = self.figures
        codes = {key: {"status": code.status, "polls": code.polls} for key, code in self._codes.items()}
        counts = {"renewals": figures.renewals, "looks": figures.looks, "polls": figures.polls, "codes": codes}
        return web.json_response(counts)


def _answer(data: dict[str, Any]) -> web.Response:
    return web.json_response({"content": {"data": data, "status": 0, "success": True}, "hasError": False})


def _mtop(*ret: str, data: object = None) -> web.Response:
    return web.json_response({"ret": list(ret), "data": data or {}, "v": "1.0"})


def _page_with(script: str) -> web.Response:
    return web.Response(text=f"<html><script>{script}</script></html>", content_type="text/html")


def _logged_in(response: web.Response, unb: str) -> web.Response:
    login = {"unb": unb, "cookie2": f"qr-{secrets.token_hex(8)}", "sgcookie": "s1", "tracknick": "n", "csg": "c"}
    return _setting(response, login)


def _setting(response: web.Response, cookies: dict[str, str]) -> web.Response:
    for name, value in cookies.items():
        response.headers.add("Set-Cookie", f"{name}={value}; Path=/")
    return response
