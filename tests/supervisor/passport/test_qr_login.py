"""Tests of `xyfleet.supervisor.passport.qr_login` against the built-in login page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, Final

from support.gateway import Gateway
from support.tokens import TLS
from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.identity import Identity
from xyfleet.supervisor.passport.browser_calls import BrowserCalls
from xyfleet.supervisor.passport.qr_login import (
    Check,
    Ended,
    LoggedIn,
    QrPace,
    Scanned,
    ShowCode,
    Step,
    Waiting,
    qr_login,
)
from xyfleet.supervisor.passport.sites import sites_of
from xyfleet.supervisor.tokens.egress import Egress
from xyfleet.worker.secret import Secret

UNB: Final = "2200000000777"
QUICK: Final = QrPace(poll=0.05, code=5.0)


def phone(gateway: Gateway, do: str, unb: str = UNB) -> None:
    """Do something with the phone to the newest code."""
    gateway.ask("POST", "qr", {"do": do, "unb": unb})


async def steps(
    gateway: Gateway, on: dict[type, Callable[[], None]], pace: QrPace = QUICK, proxy: Secret | None = None
) -> list[Step]:
    """Log in; `on` says what the phone does at each step of a kind. Return all steps but the waiting ones."""
    calls = BrowserCalls(Egress(proxy, TLS), sites_of(gateway.token_url), Identity(user_agent="Agent/1"), {}, proxy)
    found: list[Step] = []
    async with aclosing(qr_login(calls, pace)) as login:
        async for step in login:
            if not isinstance(step, Waiting) and found[-1:] != [step]:
                found.append(step)
            act = on.get(type(step))
            if act is not None:
                await asyncio.to_thread(act)
    return found


async def test_a_login_by_code(gateway: Gateway) -> None:
    """Shown, scanned, confirmed: the cookie is complete, and is the user's who scanned."""
    found = await steps(gateway, {Waiting: lambda: phone(gateway, "scan"), Scanned: lambda: phone(gateway, "confirm")})

    code, scanned, done = found
    assert isinstance(code, ShowCode)
    assert code.text.startswith("https://passport.goofish.com/qrcodeCheck.htm?lgToken=")
    assert scanned == Scanned()
    assert isinstance(done, LoggedIn)
    pairs = cookies.parse(done.cookie.reveal())
    assert pairs["unb"] == UNB
    assert pairs["cookie2"].startswith("qr-")
    assert {"sgcookie", "_m_h5_tk", "_m_h5_tk_enc", "havana_lgc_exp", "t"} <= pairs.keys()
    assert cookies.checked(done.cookie) == done.cookie


async def test_a_code_that_is_over_is_followed_by_another(gateway: Gateway) -> None:
    """A cancelled code is replaced; after three that nobody confirmed the login ends."""
    codes = 0

    def cancel() -> None:
        nonlocal codes
        codes += 1
        phone(gateway, "cancel" if codes < 3 else "expire")

    calls = BrowserCalls(Egress(None, TLS), sites_of(gateway.token_url), Identity(user_agent="Agent/1"), {})
    found: list[Step] = []
    async with aclosing(qr_login(calls, QUICK)) as login:
        async for step in login:
            found.append(step)
            if isinstance(step, ShowCode):
                await asyncio.to_thread(cancel)

    assert [type(step) for step in found if not isinstance(step, Waiting)] == [ShowCode, ShowCode, ShowCode, Ended]
    assert isinstance(found[-1], Ended)
    assert found[-1].reason.code == "qr_expired"


async def test_a_code_that_nobody_scans(gateway: Gateway) -> None:
    """It is asked about for its time and no longer."""
    found = await steps(gateway, {}, QrPace(poll=0.05, code=0.15))

    assert [type(step) for step in found] == [ShowCode, ShowCode, ShowCode, Ended]


async def test_a_check_ends_the_login(gateway: Gateway) -> None:
    """Where the platform wants a person to pass a check, nothing is tried."""
    assert (await steps(gateway, {Waiting: lambda: phone(gateway, "check")}))[-1] == Check()


async def test_a_second_code(gateway: Gateway) -> None:
    """An owner who must prove who he is scans a second code, passes the check with it, and is logged in."""
    codes: list[str] = []

    def on_code() -> None:
        codes.append("")
        phone(gateway, "second" if len(codes) == 1 else "pass")

    found = await steps(gateway, {ShowCode: on_code})

    first, second, done = found
    assert isinstance(second, ShowCode)
    assert (first, second.second) == (ShowCode(getattr(first, "text", ""), QUICK.code), True)
    assert second.text.startswith("https://passport.goofish.com/iv/face?htoken=ck")
    assert second.text.endswith("&v=1")
    assert isinstance(done, LoggedIn)
    assert cookies.parse(done.cookie.reveal())["unb"] == UNB


async def test_a_second_code_that_nobody_scans(gateway: Gateway) -> None:
    """It is asked about for its time; then the login ends as one that wants a person."""
    pace = QrPace(poll=0.05, code=5.0, second=0.2)
    found = await steps(gateway, {ShowCode: lambda: phone(gateway, "second")}, pace)

    assert [type(step) for step in found] == [ShowCode, ShowCode, Check]


async def test_the_way_out_is_the_account_s(gateway: Gateway) -> None:
    """A proxy that does not answer is no reason to ask directly."""
    (end,) = await steps(gateway, {}, proxy=Secret("socks5://127.0.0.1:1"))
    before: Any = gateway.ask("GET", "passport")

    assert isinstance(end, Ended)
    assert end.reason.code == "proxy_unreachable"
    assert before["polls"] == 0
