"""What a real Chromium says of who makes a call, and what xyfleet says for the same call."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from xyfleet.supervisor.cli.browser_login import PROGRAMS
from xyfleet.supervisor.passport.page_headers import Maker, page_headers

CHROMIUM = next((path for program in PROGRAMS if (path := shutil.which(program))), None)
NAMES = ("accept", "origin", "referer", "upgrade-insecure-requests")
CALLS: dict[str, tuple[Maker, str, str | None]] = {
    "/top": ("document", "GET", None),
    "/frame": ("iframe", "GET", "web/top"),
    "/get": ("fetch", "GET", "login/frame"),
    "/post": ("fetch", "POST", "login/frame"),
    "/far-get": ("fetch", "GET", "web/top"),
    "/far-post": ("fetch", "POST", "web/top"),
}
"""By path, all of them at the other site: who makes them in `Browser`, how, and from which page."""
SCRIPT = "([base, method]) => fetch(base, {method, credentials: 'include'}).then(() => 0)"


@asynccontextmanager
async def server() -> AsyncIterator[tuple[int, dict[str, dict[str, str]]]]:
    """Give the port of a server that is both sites, and the headers of what came, by path."""
    seen: dict[str, dict[str, str]] = {}

    async def answer(request: web.Request) -> web.Response:
        seen.setdefault(request.path, {name.lower(): value for name, value in request.headers.items()})
        _, _, port = request.host.partition(":")
        body = f"<iframe src='http://login.localhost:{port}/frame'></iframe>" if request.path == "/top" else ""
        allowed = {"Access-Control-Allow-Origin": request.headers.get("Origin", "*")}
        headers = {**allowed, "Access-Control-Allow-Credentials": "true"}
        return web.Response(text=f"<html>{body}</html>", content_type="text/html", headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1], seen
    finally:
        await runner.cleanup()


def told(headers: dict[str, str]) -> dict[str, str]:
    """Return what of a call's headers tells who makes it."""
    found = {name: value for name, value in headers.items() if name in NAMES or name.startswith("sec-fetch-")}
    # Of names below `localhost` none is of the same site; nothing is told of storage to one that is.
    found.pop("sec-fetch-storage-access", None)
    found["accept"] = found["accept"].replace("image/jxl,", "")
    return found | {"sec-fetch-site": found["sec-fetch-site"].replace("cross-site", "same-site")}


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.timeout(120)
async def test_a_real_browser_says_the_same() -> None:
    """A page that is opened, one in its frame, and what scripts of both ask for: each header has Chromium's value."""
    pytest.importorskip("playwright")
    from playwright.async_api import async_playwright

    async with server() as (port, seen), async_playwright() as playwright:
        sites = {"web": f"http://web.localhost:{port}", "login": f"http://login.localhost:{port}"}
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=False)
        page = await browser.new_page()
        await page.goto(f"{sites['web']}/top")
        (frame,) = page.main_frame.child_frames
        await frame.wait_for_load_state()
        for path, (maker, method, at) in CALLS.items():
            if maker == "fetch":
                where = frame if at == "login/frame" else page
                await where.evaluate(SCRIPT, [f"{sites['login']}{path}", method])
        await browser.close()

    for path, (maker, method, at) in CALLS.items():
        here = None if at is None else at.replace(at.partition("/")[0], sites[at.partition("/")[0]])
        url = f"{sites['web' if path == '/top' else 'login']}{path}"
        assert told(seen[path]) == page_headers(maker, method, url, here, hints=False), path
