"""`xyfleet stop`, `restart`, `reconnect`, `refresh` and `reload`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.standin import StandIn, account, begin, run, serving, until
from xyfleet.supervisor.common.errors import BadFile
from xyfleet.supervisor.control.types import Reloaded


@pytest.fixture
def control(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path, [account("a", tags=("t",)), account("b", tags=("nohook",)), account("c")])


@pytest.mark.parametrize("action", ["stop", "restart", "reconnect", "refresh"])
async def test_action_reaches_the_accounts_meant(control: StandIn, action: str) -> None:
    """Names, globs and tags are resolved by the fleet, and the answer names the accounts."""
    async with serving(control):
        ended = await run(control.folder, action, "@t", "[c-z]")

    assert ended.code == 0
    assert ended.out.endswith(": a, c\n")
    assert [(done, names) for done, names, _ in control.acts] == [(action, ["a", "c"])]


async def test_partly_refused_action_is_a_failure(control: StandIn) -> None:
    """What was done is said, what was not is explained, and the exit code tells."""
    async with serving(control):
        ended = await run(control.folder, "refresh", "*")

    assert ended.code == 1
    assert ended.out == "login hook asked for: a, c\n"
    assert ended.err == "b: worker ended: x\n"


@pytest.mark.parametrize("action", ["stop", "restart", "reconnect", "refresh"])
async def test_stranger_is_2_and_nothing_is_done(control: StandIn, action: str) -> None:
    """One unknown name stops the whole command before it does anything."""
    async with serving(control):
        ended = await run(control.folder, action, "a", "nobody")

    assert (ended.code, ended.out, control.acts) == (2, "", [])


async def test_many_names_are_counted(tmp_path: Path) -> None:
    """A thousand names are not printed."""
    async with serving(StandIn(tmp_path, [account(f"s{i:03}") for i in range(300)])):
        ended = await run(tmp_path, "restart", "*")

    assert ended.out.endswith("s009 … (300 accounts)\n")


async def test_reload_tells_what_changed(control: StandIn) -> None:
    """Added, removed and changed accounts are named, warnings go to standard error."""
    control.reloaded = Reloaded(added=["d"], removed=["x", "y"], unchanged=2, warnings=["f:3: readable by others"])
    async with serving(control):
        ended = await run(control.folder, "reload")

    assert ended.code == 0
    assert ended.out == "added: d\nremoved: x, y\nunchanged: 2\n"
    assert ended.err == "f:3: readable by others\n"


async def test_reload_of_a_bad_file_is_2(control: StandIn) -> None:
    """Every problem is shown, and that nothing was changed."""
    control.reloaded = BadFile(["f:1: bad", "f:2: worse"])
    async with serving(control):
        ended = await run(control.folder, "reload")

    assert ended.code == 2
    assert "nothing was changed" in ended.err
    assert "f:1: bad\nf:2: worse\n" in ended.err


@pytest.fixture
def supervisor() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for the supervisor, for as long as it lives."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


async def test_stop_returns_when_the_supervisor_is_gone(control: StandIn, supervisor: subprocess.Popen[bytes]) -> None:
    """`stop` without names ends the fleet, and waits for its end."""
    async with serving(control, pid=supervisor.pid):
        command = await begin(control.folder, "stop")
        await until(lambda: control.stopped_by)
        await asyncio.sleep(0.3)
        assert command.returncode is None
        supervisor.kill()
        await asyncio.to_thread(supervisor.wait)
        began = time.monotonic()
        out, _ = await command.communicate()

    assert (command.returncode, out) == (0, b"fleet shops stopped\n")
    assert time.monotonic() - began < 2
    assert control.acts == []


async def test_stop_of_a_fleet_that_just_ended(control: StandIn, supervisor: subprocess.Popen[bytes]) -> None:
    """A supervisor that is gone already is stopped."""
    supervisor.kill()
    await asyncio.to_thread(supervisor.wait)
    async with serving(control, pid=supervisor.pid):
        assert (await run(control.folder, "stop")).code == 0


async def test_stop_of_a_silent_supervisor_is_4(control: StandIn, supervisor: subprocess.Popen[bytes]) -> None:
    """A supervisor that lives and does not answer was not stopped."""
    async with serving(control, pid=supervisor.pid, socket=str(control.folder / "gone.sock")):
        ended = await run(control.folder, "stop")

    assert (ended.code, ended.out) == (4, "")
    assert supervisor.poll() is None
