"""The supervisor's process ends, whatever one of its threads hangs in."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from support.idlefleet import idle_fleet
from xyfleet.supervisor.api.unix_server import ApiServer
from xyfleet.supervisor.control.operations import FleetOperations
from xyfleet.supervisor.runtime import housekeeping
from xyfleet.supervisor.workers.forkserver import Forkserver

END = """
import asyncio, threading, time, uvloop
from xyfleet.supervisor.runtime.leaving import LooseThreads, leave

async def live():
    asyncio.ensure_future(asyncio.to_thread(threading.Event().wait))
    await asyncio.to_thread(time.sleep, 0.01)

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.get_loop().set_default_executor(LooseThreads())
    runner.run(live())
print("saved")
leave(7)
"""


@pytest.mark.pythons
def test_a_thread_that_hangs_keeps_no_process() -> None:
    """Neither the end of the loop waits for it nor the interpreter's; what was printed is out (B23)."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", END], capture_output=True, text=True, timeout=20, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (7, "saved\n", "")
    assert time.monotonic() - began < 10


async def test_a_cookie_file_that_hangs_holds_up_no_other_chore(
    tmp_path: Path, forkserver: Forkserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control socket is made again while a share does not answer."""
    hangs = threading.Event()
    monkeypatch.setattr(housekeeping, "_stamp", lambda path: hangs.wait(20) and None)
    monkeypatch.setattr(housekeeping, "EVERY", 0.05)
    (tmp_path / "0.cookie").write_text("unb=2200; cookie2=one")
    (tmp_path / "0.cookie").chmod(0o600)
    async with idle_fleet(tmp_path, forkserver, [{"name": "a0", "cookie_file": "0.cookie"}]) as fleet:
        control = FleetOperations(fleet, {}, language="en", detached=True, end=lambda: None)
        api = ApiServer(control, tmp_path / "run" / "control.sock")
        api.path.parent.mkdir(mode=0o700)
        await api.start()
        chores = housekeeping.Housekeeping(fleet, api)
        parts = [asyncio.create_task(chores.watch_cookie_files()), asyncio.create_task(chores.run())]
        await asyncio.sleep(0.05)
        api.path.unlink()
        async with asyncio.timeout(10):
            while not api.path.exists():  # noqa: ASYNC110 (nobody tells of it)
                await asyncio.sleep(0.02)
        hangs.set()
        for part in parts:
            part.cancel()
        await api.close()
