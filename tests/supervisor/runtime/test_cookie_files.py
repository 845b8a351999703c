"""The watch over `cookie_file`s: what is new is taken, and the loop does not stand still for many of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from support.idlefleet import idle_fleet
from xyfleet.supervisor.api.unix_server import ApiServer
from xyfleet.supervisor.control.operations import FleetOperations
from xyfleet.supervisor.runtime.housekeeping import Housekeeping
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.supervisor.workers.forkserver import Forkserver


def write_cookies(folder: Path, accounts: int, session: str) -> None:
    """Write a cookie file for each account."""
    for number in range(accounts):
        file = folder / f"{number}.cookie"
        file.write_text(f"unb={22_000 + number}; cookie2={session}")
        file.chmod(0o600)


def housekeeping_of(fleet: Fleet, folder: Path) -> Housekeeping:
    """Return the chores of a fleet."""
    control = FleetOperations(fleet, {}, language="en", detached=True, end=lambda: None)
    return Housekeeping(fleet, ApiServer(control, folder / "control.sock"))


async def longest_stretch() -> float:
    """Watch the loop until cancelled; return the most seconds that its thread worked without a turn for others."""
    longest, before = 0.0, time.thread_time()
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(0.001)
            now = time.thread_time()
            longest, before = max(longest, now - before), now
    return longest


@pytest.mark.parametrize("accounts", [300, pytest.param(1500, marks=pytest.mark.long)])
async def test_many_new_cookies_at_once_do_not_stop_the_loop(
    tmp_path: Path, forkserver: Forkserver, accounts: int
) -> None:
    """Finding 31: all cookie files are rewritten at once; all are taken, and others have a turn within 30 ms."""
    write_cookies(tmp_path, accounts, "one")
    listed = [{"name": f"a{number}", "cookie_file": f"{number}.cookie"} for number in range(accounts)]
    async with idle_fleet(tmp_path, forkserver, listed) as fleet:
        chores = housekeeping_of(fleet, tmp_path)
        await chores.look_at_cookie_files()
        write_cookies(tmp_path, accounts, "two")
        watch = asyncio.ensure_future(longest_stretch())
        await asyncio.sleep(0.01)
        await chores.look_at_cookie_files()
        watch.cancel()
        cookies = [fleet.store.get(f"a{number}").cookie for number in range(accounts)]
        assert sum(cookie is not None and "cookie2=two" in cookie.reveal() for cookie in cookies) == accounts
        assert await watch < 0.03
