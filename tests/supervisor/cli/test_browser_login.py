"""`xyfleet login NAME --browser`: a real Chromium, the account's own profile, a cookie that is complete."""

from __future__ import annotations

import asyncio
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from support.gateway import Gateway
from support.standin import StandIn, account, run, serving
from xyfleet.supervisor.cli.base import Failure
from xyfleet.supervisor.cli.browser_login import PROGRAMS, PROOFS, _proxy, taken
from xyfleet.supervisor.credentials import cookies
from xyfleet.worker.secret import Secret

CHROMIUM = next((path for program in PROGRAMS if (path := shutil.which(program))), None)
UNB = "2200000000555"


def place(tmp_path: Path, gateway: Gateway, proxy: str | None = None) -> dict[str, Any]:
    """Return what the API says of an account whose service is the gateway."""
    url = f"http://127.0.0.1:{gateway.port}/im"
    folder = str(tmp_path / "state" / "browsers" / "a")
    return {"profile": folder, "url": url, "domain": "127.0.0.1", "language": "zh-CN", "proxy": proxy}


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.timeout(120)
async def test_a_login_in_a_real_browser(tmp_path: Path, gateway: Gateway) -> None:
    """The cookie is taken when it is complete, with the browser's own user agent; the profile is private, and kept."""
    pytest.importorskip("playwright")
    assert CHROMIUM is not None
    for user in (UNB, UNB + "1"):
        gateway.ask("POST", "qr", {"do": "browser", "unb": user})  # the person, at the next look of the page
        wish = await asyncio.to_thread(taken, place(tmp_path, gateway), CHROMIUM, headless=True, patience=60)

        pairs = cookies.parse(cookies.checked(Secret(wish["cookie"])).reveal())
        assert pairs["unb"] == user  # the one before is in the profile still, and is not taken for this one
        assert set(PROOFS) <= pairs.keys()
        assert "Chrome/" in wish["user_agent"]
    profile = tmp_path / "state" / "browsers" / "a"
    assert stat.S_IMODE(profile.stat().st_mode) == 0o700
    assert any(profile.iterdir())


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.timeout(120)
async def test_nobody_logs_in(tmp_path: Path, gateway: Gateway) -> None:
    """After its time the browser is closed, and that is said."""
    pytest.importorskip("playwright")
    assert CHROMIUM is not None
    with pytest.raises(Failure, match="nobody logged in"):
        await asyncio.to_thread(taken, place(tmp_path, gateway), CHROMIUM, headless=True, patience=0.5)


async def test_without_a_screen_or_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is said, with what helps, before the fleet is asked for anything."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    async with serving(control := StandIn(tmp_path, [account("a")])):
        ended = await run(control.folder, "login", "a", "--browser")

    assert ended.code == 1
    assert ("--qr" in ended.err) if CHROMIUM else ("apt install chromium" in ended.err)
    assert control.cookies == {}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (None, None),
        ("socks5h://h:1", {"server": "socks5://h:1"}),
        ("http://u:p%40@h:8", {"server": "http://h:8", "username": "u", "password": "p@"}),
    ],
)
def test_the_proxy_as_a_browser_takes_it(url: str | None, shown: object) -> None:
    """Name and password apart, the names resolved by the proxy."""
    assert _proxy(url) == shown
