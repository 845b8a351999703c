"""A login by code and the login hook: never both for one account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec
import pytest

from support.idlefleet import idle_fleet
from xyfleet.supervisor.common.errors import NotPossible
from xyfleet.supervisor.login_hook.service import HookService
from xyfleet.supervisor.passport.browser_calls import BrowserCalls
from xyfleet.supervisor.passport.qr_login import Ended, QrPace, Step, Waiting
from xyfleet.supervisor.supervision import qr_logins
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason


@pytest.mark.parametrize("cookie", [{"username": "li", "password": "p"}, {"cookie": "unb=2200; cookie2=x"}])
async def test_no_hook_logs_in_while_a_code_is_shown(
    tmp_path: Path, forkserver: Forkserver, monkeypatch: pytest.MonkeyPatch, cookie: dict[str, str]
) -> None:
    """The owner scans; the hook's turn comes meanwhile: it waits, whether or not it is known who the account is."""

    async def shown(calls: BrowserCalls, pace: QrPace) -> AsyncGenerator[Step, None]:
        while True:
            yield Waiting()
            await asyncio.sleep(0.01)

    runs: list[str] = []

    async def run(self: HookService, *told: object) -> None:
        runs.append("run")

    monkeypatch.setattr(qr_logins, "qr_login", shown)
    monkeypatch.setattr(HookService, "run", run)
    async with idle_fleet(tmp_path, forkserver, [{"name": "a", **cookie}]) as fleet:
        member = fleet.members["a"]
        steps = fleet.qr.run(member)
        await anext(steps)
        member.condition = msgspec.structs.replace(member.condition, hook=7)
        fleet.logins.ask(member, 7, Cause.AUTH)
        await asyncio.sleep(0.1)
        fleet.logins.cancel("a")
        await steps.aclose()

    assert runs == []


async def test_no_code_is_shown_while_a_hook_waits_for_its_place(
    tmp_path: Path, forkserver: Forkserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may begin at any moment, and would log in beside the owner; when it is over, a code can be had."""
    over = asyncio.Event()

    async def run(self: HookService, *told: object) -> None:
        await over.wait()

    async def shown(calls: BrowserCalls, pace: QrPace) -> AsyncGenerator[Step, None]:
        yield Ended(Reason("login_superseded"))

    monkeypatch.setattr(HookService, "run", run)
    monkeypatch.setattr(qr_logins, "qr_login", shown)
    async with idle_fleet(tmp_path, forkserver, [{"name": "a", "username": "li", "password": "p"}]) as fleet:
        member = fleet.members["a"]
        member.condition = msgspec.structs.replace(member.condition, hook=7)
        fleet.logins.ask(member, 7, Cause.AUTH)
        await asyncio.sleep(0.05)
        with pytest.raises(NotPossible):
            await anext(fleet.qr.run(member))
        over.set()
        await asyncio.sleep(0.05)

        assert [type(step) async for step in fleet.qr.run(member)] == [Ended]
