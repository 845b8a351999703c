"""Signed calls of the page besides the token's, in the same form. Shell."""

from __future__ import annotations

from random import Random
from typing import Final

from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.passport.browser_calls import BrowserCalls
from xyfleet.supervisor.passport.sites import Sites
from xyfleet.supervisor.tokens import call, mtop
from xyfleet.supervisor.tokens.call import RawAnswer

USER_API: Final = "mtop.taobao.idlemessage.pc.loginuser.get"
"""Who is logged in; asked by the page on load. The answer says whether the login lives, and renews what signs."""


def mtop_url(sites: Sites, api: str, version: str = "1.0") -> str:
    """Return a call's address."""
    return f"{sites.h5}/h5/{api}/{version}/"


async def ask_user(calls: BrowserCalls, now: float) -> RawAnswer:
    """Ask who is logged in, at wall time `now`, in the form of the token call. Raises as `BrowserCalls.ask`."""
    data, web = "{}", calls.sites.web
    token = calls.jar.get(cookies.SIGNING, "").partition("_")[0]
    query = mtop.query(token, str(int(now * 1000)), data, mtop.page_id(Random())) | {"api": USER_API}
    headers = call.headers(calls.identity, web, f"{web}/")
    return await calls.ask(
        "POST", mtop_url(calls.sites, USER_API), query=query, form={"data": data}, page=f"{web}/im", headers=headers
    )
