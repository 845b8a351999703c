"""One renewal of a login, as the page does it on load: who is logged in, and the silent renewal. Shell.

It ends at the first answer that asks for a check. Untested against the live service.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from xyfleet.supervisor.passport import pages
from xyfleet.supervisor.passport.browser_calls import BrowserCalls, CheckWanted, NoAnswer
from xyfleet.supervisor.passport.mtop_calls import ask_user
from xyfleet.supervisor.tokens import mtop

MOST_SIGNINGS: Final = 2
"""Calls for one look at who is logged in: an answer may renew the signing cookie."""


class Renewed(msgspec.Struct, frozen=True, kw_only=True):
    """What a renewal has shown."""

    state: Literal["unknown", "ok", "dead"] = "unknown"
    renewed: bool = False
    """Whether the service has renewed the login; it need not have been asked to."""
    check: bool = False
    """It asks for a check by a person."""


async def renew(calls: BrowserCalls, may: Callable[[], bool]) -> Renewed:
    """
    Look whether a login lives, and have it renewed if the page would. Raises nothing of the network's.

    Args:
        may: Asked before each step: whether a call may be made still.
    """
    state: Literal["unknown", "ok", "dead"] = "unknown"
    try:
        state = await _look(calls) if may() else "unknown"
        if state != "ok" or not may():
            return Renewed(state=state)
        return Renewed(state=state, renewed=await _silent(calls))
    except CheckWanted:
        return Renewed(state=state, check=True)
    except NoAnswer:
        return Renewed(state=state)


async def _look(calls: BrowserCalls) -> Literal["unknown", "ok", "dead"]:
    for _ in range(MOST_SIGNINGS):
        answer = await ask_user(calls, time.time())
        match mtop.refusal(answer.status, answer.body, answer.location):
            case None:
                return "ok"
            case mtop.SignExpired() | mtop.Unsure():
                continue
            case mtop.Risk():
                raise CheckWanted
            case mtop.SessionExpired():
                return "dead"
            case _:
                return "unknown"
    return "unknown"


async def _silent(calls: BrowserCalls) -> bool:
    web = calls.sites.web
    query = pages.renewal_query(calls.jar, f"{web}/im", time.time())
    if query is None:
        return False
    url = f"{calls.sites.passport}/newlogin/silentHasLogin.do"
    answer = await calls.ask("POST", url, query=query, page=f"{web}/im")
    match pages.renewed(answer.body):
        case "check":
            raise CheckWanted
        case "yes":
            return True
    return False
