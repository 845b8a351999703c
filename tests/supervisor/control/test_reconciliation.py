"""A reload that is interrupted anywhere, or fails for an account, is finished by the next one (finding 12)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.idlefleet import idle_fleet, write
from xyfleet.supervisor.common import stretches
from xyfleet.supervisor.config.secrets import read_cookie_file
from xyfleet.supervisor.control import reload as control_reload
from xyfleet.supervisor.control.reload import carry_out, prepare, reload
from xyfleet.supervisor.supervision.account_state import Wish, Worker
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.supervisor.workers.forkserver import Forkserver


def account(number: int, **more: Any) -> dict[str, Any]:
    """Return an account of the file."""
    return {"name": f"a{number}", "cookie": f"unb=22{number}; cookie2=x", **more}


OLD = [account(number) for number in range(8)]
NEW = [
    account(0),
    account(1, label="new"),
    account(2, proxy="http://127.0.0.1:9"),
    account(3, enabled=False),
    account(4, cookie="unb=224; cookie2=y"),
    *(account(number) for number in range(7, 11)),
]


@pytest.fixture(autouse=True)
def _no_wait_for_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_reload, "START_WAIT", 0.01)


async def turns_until(holds: Callable[[], bool]) -> None:
    """Let the loop turn until something holds, and look after each turn."""
    for _turn in itertools.takewhile(lambda _: not holds(), itertools.count()):
        await asyncio.sleep(0)


def done(fleet: Fleet) -> int:
    """Count what a reload has done by now."""
    new = sum(m.settled is not None and m.settled.fleet.hang_timeout == 9 for m in fleet.members.values())
    leaving = sum(m.condition.wish is Wish.REMOVED for m in fleet.members.values())
    return new + leaving + 11 - len(fleet.members.keys() | {"a8", "a9", "a10"})


def assert_reconciled(fleet: Fleet) -> None:
    """The fleet is what the file says."""
    assert fleet.members.keys() == {one["name"] for one in NEW}
    for name, member in fleet.members.items():
        assert member.account == fleet.settings.accounts[name]
        assert member.settled == (member.account, fleet.settings.fleet)
        assert member.faults == member.impossible == 0
        wish, worker = (Wish.DISABLED, Worker.NONE) if name == "a3" else (Wish.RUN, Worker.QUEUED)
        assert (member.condition.wish, member.condition.worker) == (wish, worker)
    cookie = fleet.store.get("a4").cookie
    assert cookie is not None
    assert "cookie2=y" in cookie.reveal()


@pytest.mark.parametrize("steps", [0, 1, 3, 6, 8, 9, 10, 11])
async def test_an_interrupted_reload_is_finished_by_the_next(
    tmp_path: Path, forkserver: Forkserver, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Cancelled after so many accounts; the next one does the rest, and the one after it finds nothing to do."""
    monkeypatch.setattr(stretches, "STRETCH", 0.0)
    async with idle_fleet(tmp_path, forkserver, OLD) as fleet:
        write(tmp_path, NEW, hang_timeout=9)
        first = asyncio.ensure_future(reload(fleet, {}, "test"))
        await turns_until(lambda: first.done() or done(fleet) >= steps)
        first.cancel()
        await asyncio.wait([first])
        interrupted = first.cancelled() and 0 < done(fleet) < 11
        second = await reload(fleet, {}, "test")
        assert second.unfinished == []
        assert interrupted == (steps in range(1, 11))
        assert_reconciled(fleet)
        third = await reload(fleet, {}, "test")
        assert third.unchanged == len(NEW)
        assert [third.added, third.removed, third.restarted, third.applied] == [[], [], [], []]


async def test_a_name_that_was_being_removed_and_is_wanted_again(tmp_path: Path, forkserver: Forkserver) -> None:
    """An interrupted reload has told an account to go; the next file names it again: it goes, and begins anew."""
    async with idle_fleet(tmp_path, forkserver, OLD) as fleet:
        old = fleet.members["a7"]
        write(tmp_path, OLD[:-1])
        first = asyncio.ensure_future(reload(fleet, {}, "test"))
        await turns_until(lambda: old.condition.wish is Wish.REMOVED)
        first.cancel()
        await asyncio.wait([first])
        write(tmp_path, OLD)
        assert (await reload(fleet, {}, "test")).added in (["a7"], [])
        assert fleet.members["a7"].condition.worker is Worker.QUEUED
        assert fleet.members.keys() == {one["name"] for one in OLD}


async def test_what_fails_for_one_account_is_said_and_tried_again(tmp_path: Path, forkserver: Forkserver) -> None:
    """A state file that breaks after all was looked at costs its account the reload, nobody else, and is told."""
    async with idle_fleet(tmp_path, forkserver, OLD) as fleet:
        write(tmp_path, NEW, hang_timeout=9)
        plan, warnings = await prepare(fleet, {}, sure=False)
        broken = tmp_path / "state" / "users" / "229.json"
        broken.symlink_to(tmp_path / "fleet.yml")
        found = await carry_out(fleet, plan, warnings)
        assert found.unfinished == ["a9"]
        assert found.warnings[-1].startswith("1 accounts could not be brought to the file (a9)")
        assert fleet.members.keys() == {one["name"] for one in NEW} - {"a9"}
        broken.unlink()
        assert (await reload(fleet, {}, "test")).added == ["a9"]
        assert_reconciled(fleet)


async def test_a_reload_puts_back_no_older_cookie(tmp_path: Path, forkserver: Forkserver) -> None:
    """A cookie_file is written, and taken, after a reload has read it: what the reload read is not taken for news."""
    cookie = tmp_path / "cookie"
    cookie.touch(0o600)
    cookie.write_text("unb=220; cookie2=first")
    async with idle_fleet(tmp_path, forkserver, [{"name": "a0", "cookie_file": "cookie"}]) as fleet:
        cookie.write_text("unb=220; cookie2=second")
        plan, warnings = await prepare(fleet, {}, sure=False)
        cookie.write_text("unb=220; cookie2=third")
        fleet.logins.cookie_file_changed(fleet.members["a0"], cookie, read_cookie_file(cookie))
        await carry_out(fleet, plan, warnings)
        held = fleet.store.get("a0").cookie
        assert held is not None
        assert "third" in held.reveal()
