"""`xyfleet login NAME --browser`: a browser with the account's own profile, in which a person logs in. Shell.

Nothing is typed or clicked by program, and no check is passed for anybody: the cookie is read when it is complete.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import click

from xyfleet.supervisor.api.client import Client
from xyfleet.supervisor.cli.base import FAILURE, OK, Failure
from xyfleet.supervisor.common.i18n import _

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
"""The system's own browsers, the first that is there."""
PROOFS: Final = ("unb", "cookie2", "sgcookie", "_m_h5_tk", "_m_h5_tk_enc")
"""The cookies without which a login is not complete."""
PATIENCE: Final = 900.0
"""Seconds that the person has."""
LOOK: Final = 1.0
LOGIN_TIMEOUT: Final = 60.0


def browser_login(client: Client, name: str) -> int:
    """Open a browser for a person, and hand the cookie of his login to the fleet."""
    program = find_browser()
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        text = _("there is no screen for a browser here; scan a code instead: xyfleet login %(name)s --qr")
        raise Failure(FAILURE, text % {"name": name})
    place = client.post("/v1/login/browser", {"name": name})
    click.echo(_("Log in to %(name)s in the browser that opens; it is closed when that is done.") % {"name": name})
    wish = taken(place, program)
    answer = client.post("/v1/login", {"name": name, **wish}, timeout=LOGIN_TIMEOUT)
    for warning in answer["warnings"]:
        click.echo(warning, err=True)
    click.echo(_("logged in; new cookie stored for %(name)s") % {"name": name})
    return OK


def find_browser() -> str:
    """Return the system's browser. Raises `Failure`."""
    found = next((path for program in PROGRAMS if (path := shutil.which(program))), None)
    if found is None:
        raise Failure(FAILURE, _("no browser is installed here; install one, such as: apt install chromium"))
    return found


def taken(place: dict[str, Any], program: str, *, headless: bool = False, patience: float = PATIENCE) -> dict[str, str]:
    """
    Return `cookie` and `user_agent` of a login that a person makes in a browser. Raises `Failure`.

    The browser says itself what it is, and that goes with the login: a user agent laid over another browser would
    contradict all else that it sends.

    Args:
        place: as the API describes it.
        program: the browser.
        patience: seconds that the person has.
    """
    with _opened(place, program, headless=headless) as context:
        for old in PROOFS:
            context.clear_cookies(name=old)  # a login that the profile remembers may be the dead one
        page = context.pages[0] if context.pages else context.new_page()
        page.goto(place["url"], wait_until="commit")
        agent = str(page.evaluate("navigator.userAgent"))
        return {"cookie": _wait_for_cookie(context, place["domain"], patience), "user_agent": agent}


def _wait_for_cookie(context: BrowserContext, domain: str, patience: float) -> str:
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if not context.pages:
            break
        found = {each["name"]: each["value"] for each in context.cookies() if _is_of(each["domain"], domain)}
        if all(found.get(name) for name in PROOFS):
            return "; ".join(f"{name}={value}" for name, value in found.items())
        context.pages[0].wait_for_timeout(LOOK * 1000)
    raise Failure(FAILURE, _("nobody logged in: the browser was closed, or the time is over"))


def _is_of(host: str, domain: str) -> bool:
    host = host.lstrip(".")
    return host == domain or host.endswith(f".{domain}")


@contextmanager
def _opened(place: dict[str, Any], program: str, *, headless: bool) -> Iterator[BrowserContext]:
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        text = _("this needs playwright: %(command)s")
        raise Failure(FAILURE, text % {"command": "pip install 'xyfleet[browser]'"}) from None
    profile = Path(place["profile"])
    profile.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with sync_playwright() as playwright:
            context = playwright.chromium.launch_persistent_context(
                profile,
                executable_path=program,
                headless=headless,
                locale=place["language"],
                proxy=_proxy(place["proxy"]),
                chromium_sandbox=os.geteuid() != 0,  # of root it can't be had
                no_viewport=True,
            )
            try:
                yield context
            finally:
                context.close()
    except Error as error:
        first = error.message.splitlines()[0] if error.message else type(error).__name__
        raise Failure(FAILURE, _("the browser failed: %(why)s") % {"why": first}) from None


def _proxy(url: str | None) -> Any:
    """Return a proxy as the browser takes it."""
    if url is None:
        return None
    parts = urlsplit(url)
    scheme = parts.scheme.removesuffix("h")
    found = {"server": f"{scheme}://{parts.hostname}:{parts.port}"}
    if parts.username:
        found |= {"username": unquote(parts.username), "password": unquote(parts.password or "")}
    return found
