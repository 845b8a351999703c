"""Every header of the calls that a page makes besides the socket's, held against the table in docs/protocol.md."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from outsiders.page_table import TABLE, differences
from outsiders.recorder import Recorder, Request
from support.gateway import Gateway
from support.tokens import TLS
from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.identity import DEFAULT
from xyfleet.supervisor.passport.browser_calls import BrowserCalls
from xyfleet.supervisor.passport.image_files import Image
from xyfleet.supervisor.passport.image_upload import upload
from xyfleet.supervisor.passport.page_headers import Maker, page_headers
from xyfleet.supervisor.passport.qr_login import LoggedIn, QrPace, ShowCode, qr_login
from xyfleet.supervisor.passport.renewal import renew
from xyfleet.supervisor.passport.sites import Sites
from xyfleet.supervisor.tokens.egress import Egress

UNB = "2200000000779"
WEB, PASSPORT = "https://www.goofish.com", "https://passport.goofish.com"
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x04"
PLACES = {
    "/mini_login.htm": "login page",
    "/newlogin/qrcode/generate.do": "login question",
    "/newlogin/qrcode/query.do": "login call",
    "/ac/account/setLoginSettings.do": "login call",
    "/im": "document",
    "/newlogin/silentHasLogin.do": "renewal",
    "/h5/mtop.taobao.idlemessage.pc.loginuser.get/1.0/": "token header",
    "/api/upload.api": "upload",
}


async def recorded(gateway: Gateway, recorder: Recorder) -> list[Request]:
    """Log in by code, renew the login, upload an image; return the requests."""
    web, passport = f"http://127.0.0.1:{recorder.port}", f"http://localhost:{recorder.port}"
    sites = Sites(passport, web, passport, passport)
    calls = BrowserCalls(Egress(None, TLS), sites, DEFAULT, {})
    async with aclosing(qr_login(calls, QrPace(poll=0.02))) as login:
        async for step in login:
            if isinstance(step, ShowCode):
                await asyncio.to_thread(gateway.ask, "POST", "qr", {"do": "confirm", "unb": UNB})
    assert isinstance(step, LoggedIn)
    jar = cookies.parse(step.cookie.reveal())
    assert (await renew(BrowserCalls(Egress(None, TLS), sites, DEFAULT, jar), lambda: True)).renewed
    await upload(BrowserCalls(Egress(None, TLS), sites, DEFAULT, jar), Image(PICTURE, "png", 3, 4))
    return recorder.requests()


async def test_login_calls(gateway: Gateway) -> None:
    """Each call of a login, a renewal and an upload has the headers of its row, and none twice."""
    with Recorder(gateway.port) as recorder:
        requests = await recorded(gateway, recorder)
        names = {f"http://127.0.0.1:{recorder.port}": WEB, f"http://localhost:{recorder.port}": PASSPORT}

    wrong: list[str] = []
    for request in requests:
        place = PLACES.get(request.path)
        if place is None:
            continue  # an address that an answer gave
        sent = dict(request.headers)
        for here, there in names.items():
            sent = {name: value.replace(here, there) for name, value in sent.items()}
        wrong += [f"{request.path}: {each}" for each in differences(place, sent)]
        assert request.doubles == 0
    assert wrong == []
    assert PLACES.keys() <= {request.path for request in requests}


@pytest.mark.parametrize(
    ("maker", "method", "page", "wanted"),
    [
        ("fetch", "GET", f"{PASSPORT}/a.htm", {"sec-fetch-site": "same-origin", "referer": f"{PASSPORT}/a.htm"}),
        ("fetch", "POST", f"{PASSPORT}/a.htm", {"sec-fetch-site": "same-origin", "origin": PASSPORT}),
        ("fetch", "POST", f"{WEB}/im", {"sec-fetch-site": "same-site", "referer": f"{WEB}/", "origin": WEB}),
        ("iframe", "GET", f"{WEB}/im", {"sec-fetch-site": "same-site", "sec-fetch-dest": "iframe"}),
        ("document", "GET", None, {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}),
    ],
)
def test_who_makes_a_call(maker: Maker, method: str, page: str | None, wanted: dict[str, str]) -> None:
    """A page at another origin tells no more than that; a page of one's own tells itself, and no origin to a GET."""
    found = page_headers(maker, method, f"{PASSPORT}/x.do", page, hints=False)

    assert wanted.items() <= found.items()
    assert "priority" not in found
    assert ("origin" in found) == ("origin" in wanted)
    assert ("referer" in found) == (page is not None)


def test_all_calls_have_rows() -> None:
    """No place is without a table."""
    assert set(PLACES.values()) <= TABLE.keys()
