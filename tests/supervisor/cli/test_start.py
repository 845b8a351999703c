"""`xyfleet start`: how a supervisor is started, waited for, and how its failure is told."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from support.standin import Run, StandIn, account, environment, failed, run, serving, until
from xyfleet.supervisor.cli import start
from xyfleet.supervisor.supervision.account_state import Process
from xyfleet.worker.causes import Cause

pytestmark = pytest.mark.pythons


READY = {"ready": True, "pid": 4242, "patience": 61}


def says(value: object) -> str:
    """Return the code that tells `xyfleet start` something."""
    return f"os.write(fd, {json.dumps(value).encode()!r} + bytes([10]))"


async def python(folder: Path, code: str) -> Run:
    """Run code of ours as its own program."""
    pipe = asyncio.subprocess.PIPE
    env = environment(folder)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=env, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return Run(process.returncode, out, err)


async def launch(folder: Path, supervisor: str, patience: float = 10) -> Run:
    """Launch a place-holder of the supervisor, whose code gets the descriptor to answer on as `fd`."""
    words = [sys.executable, "-c", f"import json, os, sys, time; fd = int(sys.argv[3])\n{supervisor}"]
    return await python(
        folder,
        f"""
import os, sys
from xyfleet.supervisor.cli import base, start
start.READY_TIMEOUT = {patience}
try:
    print(start.launch({words!r}, dict(os.environ)))
except base.Failure as failure:
    print(failure.text)
    sys.exit(failure.code)
""",
    )


def test_supervisor_gets_the_words_it_understands() -> None:
    """Options are handed on; the language only when somebody asked for it."""
    plain = start.command(None, "a b.yml", fresh=False, verbose=False)
    full = start.command("zh", "f.yml", fresh=True, verbose=True)

    assert plain == [sys.executable, "-P", "-m", "xyfleet.supervisor", "--file", "a b.yml"]
    assert full[4:] == ["--file", "f.yml", "--fresh", "--verbose", "--lang", "zh"]


async def test_ready_supervisor_stays_in_a_session_of_its_own(tmp_path: Path) -> None:
    """When it says that it is ready, it is left alone: in its own session, without input or output of ours."""
    told = tmp_path / "told"
    facts = "[os.getpid(), os.getsid(0), *map(os.readlink, ('/proc/self/fd/0', '/proc/self/fd/1'))]"
    ended = await launch(
        tmp_path,
        f"{says(READY)}\nos.close(fd); open({str(told)!r}, 'w').write(json.dumps({facts}))",
    )
    await until(lambda: told.exists() and told.read_text())

    assert (ended.code, ended.out) == (0, "Launched(pid=4242, patience=61.0)\n")
    pid, session, stdin, stdout = json.loads(told.read_text())
    assert (session, stdin, stdout) == (pid, "/dev/null", "/dev/null")


async def test_refusal_is_told_with_its_code(tmp_path: Path) -> None:
    """What the supervisor says of a bad file is what the user reads."""
    ended = await launch(tmp_path, says({"error": {"message": "f.yml:3: 错", "exit": 2}}))

    assert (ended.code, ended.out) == (2, "f.yml:3: 错\n")


async def test_crash_is_told_with_its_last_words(tmp_path: Path) -> None:
    """A supervisor that dies before it is ready leaves its last line on standard error."""
    ended = await launch(tmp_path, "raise RuntimeError('no room')")

    assert ended.code == 1
    assert ended.out.endswith("(exit code 1): RuntimeError: no room\n")


async def test_silence_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """A supervisor that never says a word is ended."""
    told = tmp_path / "pid"
    ended = await launch(tmp_path, f"open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(60)", patience=1)

    assert ended.code == 1
    assert "not ready" in ended.out
    assert not (Path("/proc") / told.read_text()).exists()


@pytest.mark.parametrize("words", [["--detach"], ["--wait"], ["--wait=3"], []])
async def test_bad_file_is_2_however_it_is_started(tmp_path: Path, words: list[str]) -> None:
    """The supervisor's own check refuses the file, and its words and code come through."""
    (tmp_path / "bad.yml").write_text("version: 1\naccounts: 7\n")
    ended = await run(tmp_path, "start", *words, str(tmp_path / "bad.yml"))

    assert ended.code == 2
    assert "bad.yml:2" in ended.err


async def test_wait_ends_when_all_are_connected(tmp_path: Path) -> None:
    """The waiting part of --wait: progress is printed, the end is 0 or, when the time is over, 3."""
    control = StandIn(tmp_path, [account("a"), failed("b", Cause.NETWORK)])
    async with serving(control):
        late = await _wait(tmp_path, 0.5)
        control.accounts["b"] = account("b")
        good = await _wait(tmp_path, 60)

    assert (late.code, late.out) == (3, "connected 1 of 2\n")
    assert "after 0 s" in late.err
    assert (good.code, good.out, good.err) == (0, "connected 2 of 2\n", "")


async def test_wait_ends_when_the_others_wait_for_a_person(tmp_path: Path) -> None:
    """Nobody waits for what only he can do: at once 3, with the names and what helps."""
    listed = [failed(f"b{number}", Cause.AUTH, Process.NEEDS_LOGIN) for number in range(12)]
    async with serving(StandIn(tmp_path, [account("a"), *listed, account("c", process=Process.DISABLED)])):
        ended = await _wait(tmp_path, 60)

    assert (ended.code, ended.out) == (3, "connected 1 of 13\n")
    first, *named, more = ended.err.splitlines()
    assert first == "the others wait for a person; the fleet goes on:"
    assert named[0].startswith("b0: The login has expired.")
    assert (len(named), more) == (10, "and 2 more: xyfleet status")


async def test_wait_counts_its_own_fleet_only(tmp_path: Path) -> None:
    """A fleet that was started is found by its process: another one of the same file or folder is not counted."""
    async with serving(StandIn(tmp_path, [account("a")])):
        stranger = await _wait(tmp_path, 60, pid=4701)
    async with serving(StandIn(tmp_path, [account("a")]), pid=4701):
        replaced = await _wait(tmp_path, 60, pid=4701)

    assert (stranger.code, stranger.out) == (1, "the fleet (pid 4701) has ended, or left no record to find it by\n")
    assert (replaced.code, replaced.out) == (1, "the fleet has ended\n")


async def _wait(folder: Path, seconds: float, pid: int = 4700) -> Run:
    return await python(
        folder,
        f"""
import sys
from xyfleet.supervisor.cli import base, start
try:
    sys.exit(start.wait_for(base.Setup("en"), {pid}, {seconds}))
except base.Failure as failure:
    print(failure.text)
    sys.exit(failure.code)
""",
    )


@pytest.mark.parametrize(("words", "code"), [(["--wait=x", "f"], 2), (["--wait=-1", "f"], 2), (["a", "b"], 2)])
async def test_wrong_words_are_2(tmp_path: Path, words: list[str], code: int) -> None:
    """Nothing is started for a wrong command line."""
    assert (await run(tmp_path, "start", *words)).code == code
