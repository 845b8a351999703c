"""The second code that the platform asks an owner to scan at times, after the first: shown, and asked about. Shell.

The owner passes the check himself, on his phone; nothing of it is solved here. Any other check ends the login, and so
does a page of a form that is not known. Untested against the live service.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import urljoin

import msgspec

from xyfleet.supervisor.passport import check_pages
from xyfleet.supervisor.passport.browser_calls import BrowserCalls, CheckWanted

_QUESTION: Final = "/iv/photoVerify/check.do"


class Asked(msgspec.Struct, frozen=True):
    """The second code, and what questions about it need."""

    text: str
    token: str
    page: str
    """Where it is shown."""


async def begin(calls: BrowserCalls, address: str) -> Asked:
    """Open the pages to which a confirmation led, as a browser does. Raises `CheckWanted` where they ask for more."""
    if not calls.sites.ours(address):
        raise CheckWanted
    first = (await calls.visit(address, passing=True)).body.decode(errors="replace")
    modes = check_pages.modes_address(first, address)
    token = check_pages.token_of(first) or check_pages.token_of(address)
    if modes is None or token is None or not calls.sites.ours(modes):
        raise CheckWanted
    last = (await calls.visit(modes, passing=True)).body.decode(errors="replace")
    text = check_pages.second_code(last)
    if text is None:
        raise CheckWanted
    return Asked(text, token, modes)


async def passed(calls: BrowserCalls, asked: Asked, seconds: float, poll: float) -> AsyncGenerator[str | None, None]:
    """
    Yield None until the owner has passed the check, then the address at which the login ends.

    Raises:
        CheckWanted: he did not within `seconds`, or another check is asked for.
    """
    headers = {"x-requested-with": "XMLHttpRequest"}
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        question = calls.sites.passport + _QUESTION
        answer = await calls.ask("GET", question, query={"htoken": asked.token}, page=asked.page, headers=headers)
        said = check_pages.passed_at(answer.body)
        if said == "check":
            break
        if said != "wait":
            yield urljoin(question, said)
            return
        yield None
        await asyncio.sleep(poll * random.uniform(0.75, 1.25))
    raise CheckWanted
