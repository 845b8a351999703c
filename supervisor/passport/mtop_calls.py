"""Signed calls of the page besides the token's: their address and query. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.passport.sites import Sites
from xyfleet.supervisor.tokens import mtop

USER_API: Final = "mtop.taobao.idlemessage.pc.loginuser.get"
"""Who is logged in; asked by the page on load. The answer says whether the login lives, and renews what signs."""


def mtop_url(sites: Sites, api: str) -> str:
    """Return a call's address."""
    return f"{sites.h5}/h5/{api}/1.0/"


def sign_query(api: str, jar: Mapping[str, str], data: str, now: float) -> dict[str, str]:
    """Return a call's query at wall time `now`, signed with the signing cookie, with nothing when there is none."""
    token = jar.get(cookies.SIGNING, "").partition("_")[0]
    return mtop.query(token, str(int(now * 1000)), data) | {"api": api}
