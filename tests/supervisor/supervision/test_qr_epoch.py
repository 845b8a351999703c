"""What a login by code brought is looked at once more when all its calls are closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from support.idlefleet import idle_fleet
from xyfleet.supervisor.passport.browser_calls import BrowserCalls
from xyfleet.supervisor.passport.qr_login import Ended, LoggedIn, QrPace, Step
from xyfleet.supervisor.supervision import qr_logins
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.worker.secret import Secret


async def test_a_login_given_while_the_calls_are_closed_wins(
    tmp_path: Path, forkserver: Forkserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code was confirmed; while its last connection is closed the owner's cookie comes: that one is kept."""
    listed = [{"name": "a", "cookie": "unb=2200; cookie2=old"}]
    async with idle_fleet(tmp_path, forkserver, listed) as fleet:

        async def confirmed(calls: BrowserCalls, pace: QrPace) -> AsyncGenerator[Step, None]:
            try:
                yield LoggedIn(Secret("unb=2200; cookie2=scanned"))
            finally:
                await asyncio.sleep(0.01)
                fleet.store.replace("a", Secret("unb=2200; cookie2=owners"), "login")

        monkeypatch.setattr(qr_logins, "qr_login", confirmed)
        steps = [step async for step in fleet.qr.run(fleet.members["a"])]

        assert [type(step) for step in steps] == [Ended]
        cookie = fleet.store.get("a").cookie
        assert cookie is not None
        assert "owners" in cookie.reveal()
