"""A `cookie_file` on a share whose server is gone stops nobody: reviewer's 9. Nobody reads one in the loop."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from support.idlefleet import idle_fleet
from xyfleet.supervisor.api.unix_server import ApiServer
from xyfleet.supervisor.config import secrets
from xyfleet.supervisor.config.secrets import read_cookie_file
from xyfleet.supervisor.control.operations import FleetOperations
from xyfleet.supervisor.control.reload import carry_out, prepare
from xyfleet.supervisor.runtime import housekeeping
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.worker.secret import Secret


async def looked(chores: housekeeping.Housekeeping, fleet: Fleet, hangs: threading.Event) -> None:
    """Have the files looked at while a step of it hangs: the loop turns, and the new cookie is taken afterwards."""
    looking = asyncio.create_task(chores.look_at_cookie_files())
    await asyncio.sleep(0.05)
    assert not looking.done(), "it came back though it hung"
    hangs.set()
    await looking
    cookie = fleet.store.get("a0").cookie
    assert cookie is not None
    assert "second" in cookie.reveal()


async def test_the_loop_turns_while_a_file_is_looked_at(
    tmp_path: Path, forkserver: Forkserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look itself hangs; then the new cookie is taken all the same."""
    file, hangs = tmp_path / "0.cookie", threading.Event()
    file.write_text("unb=2200; cookie2=one")
    file.chmod(0o600)
    async with idle_fleet(tmp_path, forkserver, [{"name": "a0", "cookie_file": "0.cookie"}]) as fleet:
        control = FleetOperations(fleet, {}, language="en", detached=True, end=lambda: None)
        chores = housekeeping.Housekeeping(fleet, ApiServer(control, tmp_path / "control.sock"))
        await chores.look_at_cookie_files()
        file.write_text("unb=2200; cookie2=second")
        look = housekeeping._stamp

        def slow(path: Path) -> housekeeping.Stamp | None:
            hangs.wait(1.0)
            return look(path)

        monkeypatch.setattr(housekeeping, "_stamp", slow)
        await looked(chores, fleet, hangs)


async def test_the_loop_turns_while_a_file_is_read(
    tmp_path: Path, forkserver: Forkserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share goes between the look and the reading; then the new cookie is taken all the same."""
    file, hangs = tmp_path / "0.cookie", threading.Event()
    file.write_text("unb=2200; cookie2=one")
    file.chmod(0o600)
    async with idle_fleet(tmp_path, forkserver, [{"name": "a0", "cookie_file": "0.cookie"}]) as fleet:
        control = FleetOperations(fleet, {}, language="en", detached=True, end=lambda: None)
        chores = housekeeping.Housekeeping(fleet, ApiServer(control, tmp_path / "control.sock"))
        await chores.look_at_cookie_files()
        file.write_text("unb=2200; cookie2=second")

        def slow(path: Path) -> Secret:
            hangs.wait(1.0)
            return read_cookie_file(path)

        monkeypatch.setattr("xyfleet.supervisor.runtime.housekeeping.read_cookie_file", slow)
        await looked(chores, fleet, hangs)


async def test_a_changed_file_is_not_read_in_the_loop(
    tmp_path: Path, forkserver: Forkserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a reload nor a start after `forget` opens it there; the newer of two readings counts."""
    file, loop = tmp_path / "0.cookie", threading.get_ident()
    file.write_text("unb=2200; cookie2=one")
    file.chmod(0o600)
    in_loop: list[str] = []
    read = secrets._text

    def watched(path: Path, *more: Any) -> Any:
        in_loop.extend([str(path)] if threading.get_ident() == loop else [])
        return read(path, *more)

    async with idle_fleet(tmp_path, forkserver, [{"name": "a0", "cookie_file": "0.cookie"}]) as fleet:
        monkeypatch.setattr(secrets, "_text", watched)
        control = FleetOperations(fleet, {}, language="en", detached=True, end=lambda: None)
        chores = housekeeping.Housekeeping(fleet, ApiServer(control, tmp_path / "control.sock"))
        file.write_text("unb=2200; cookie2=second")
        await chores.look_at_cookie_files()
        await fleet.store.erase("a0")
        fleet.logins.adopt_again(fleet.members["a0"])
        after_forget = fleet.store.get("a0").cookie
        file.write_text("unb=2200; cookie2=third-and-longer")
        await carry_out(fleet, *await prepare(fleet, {}, sure=False))
        after_reload = fleet.store.get("a0").cookie

    assert after_forget is not None
    assert "second" in after_forget.reveal()
    assert after_reload is not None
    assert "third" in after_reload.reveal()
    assert in_loop == []
