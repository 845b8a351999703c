"""A `cookie_file` on a share whose server is gone stops nobody: reviewer's 9."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from support.idlefleet import idle_fleet
from xyfleet.supervisor.api.unix_server import ApiServer
from xyfleet.supervisor.config.secrets import read_cookie_file
from xyfleet.supervisor.control.operations import FleetOperations
from xyfleet.supervisor.runtime import housekeeping
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.worker.secret import Secret


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
        looking = asyncio.create_task(chores.look_at_cookie_files())
        await asyncio.sleep(0.05)
        assert not looking.done(), "the loop came back while the look hung"
        hangs.set()
        await looking
        cookie = fleet.store.get("a0").cookie
        assert cookie is not None
        assert "second" in cookie.reveal()


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
        looking = asyncio.create_task(chores.look_at_cookie_files())
        await asyncio.sleep(0.05)
        assert not looking.done(), "the loop came back while the reading hung"
        hangs.set()
        await looking
        cookie = fleet.store.get("a0").cookie
        assert cookie is not None
        assert "second" in cookie.reveal()
