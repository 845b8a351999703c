"""Tests of `supervisor/login_hook/guard.py`: a program of its own, run as the supervisor runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

import xyfleet.supervisor as supervisor

pytestmark = pytest.mark.pythons

GUARD = Path(supervisor.__path__[0]) / "login_hook" / "guard.py"
SH = "/bin/sh"


def guarded(*command: str, parent: int | None = None) -> subprocess.Popen[bytes]:
    """Start a command under the guard."""
    words = [sys.executable, "-I", "-S", str(GUARD), str(parent or os.getpid()), *command]
    return subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """Return how it ended and what it wrote."""
    output, _ = process.communicate(timeout=10)
    return process.returncode, output


def alive(pid: int) -> bool:
    """Say whether a process lives."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(*pids: int, within: float = 3.0) -> bool:
    """Wait until all these processes are gone."""
    deadline = time.monotonic() + within
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def pids_of(process: subprocess.Popen[bytes], count: int) -> list[int]:
    """Return the pids that a command writes, one a line."""
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(count)]


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -SEGV $$", -11), ("kill -KILL $$", -9)]
)
def test_it_ends_as_the_command_does(script: str, code: int) -> None:
    """The command's exit code or signal is the guard's own, and its output goes through."""
    assert finish(guarded(SH, "-c", f"echo out; {script}")) == (code, b"out\n")


def test_words_stay_words() -> None:
    """No shell reads the arguments."""
    assert finish(guarded("/bin/echo", "$HOME", "a  b", ";ls")) == (0, b"$HOME a  b ;ls\n")


def test_what_can_not_be_started_is_said(tmp_path: Path) -> None:
    """A missing file, one that must not be run, and one that is no program: exit code 126 and the error as JSON."""
    no_program = tmp_path / "text"
    no_program.write_text("just text")
    no_program.chmod(0o755)
    cases = {
        "/nope": "no such file or directory",
        str(tmp_path): "permission denied",
        str(no_program): "exec format error",
    }
    for path, error in cases.items():
        code, output = finish(guarded(path))
        assert (code, json.loads(output)) == (126, {"error": f"cannot be started: {error}"})


def test_leftovers_are_killed() -> None:
    """What the command leaves behind is gone with it: in its group, in a session of its own, and their children."""
    process = guarded(
        SH, "-c", "sleep 60 & echo $!; setsid sh -c 'echo $$; sleep 61 & echo $!; wait' & sleep 0.3; exit 4"
    )
    pids = pids_of(process, 3)

    assert finish(process)[0] == 4
    assert gone(*pids, within=0.0)


def test_a_polite_end() -> None:
    """On SIGTERM the command gets SIGTERM, and may still say something."""
    process = guarded(SH, "-c", "trap 'echo bye; exit 5' TERM; echo $$; while :; do sleep 0.05; done")
    pids_of(process, 1)
    process.terminate()

    assert finish(process) == (5, b"bye\n")


@pytest.mark.timing
def test_an_impolite_end() -> None:
    """A command that ignores SIGTERM is killed after a second, with all that it started."""
    process = guarded(SH, "-c", "trap '' TERM; setsid sleep 60 & echo $!; echo $$; while :; do sleep 0.05; done")
    pids = pids_of(process, 2)
    started = time.monotonic()
    process.terminate()
    code, _ = finish(process)

    assert 0.9 < time.monotonic() - started < 2
    assert code == -signal.SIGKILL
    assert gone(*pids, within=0.0)


def test_it_starts_nothing_for_a_dead_supervisor(tmp_path: Path) -> None:
    """When the supervisor died before the guard could ask to be told, nothing is started."""
    assert finish(guarded("/bin/touch", str(tmp_path / "ran"), parent=1)) == (-signal.SIGKILL, b"")
    assert not (tmp_path / "ran").exists()


SUPERVISOR = textwrap.dedent("""
    import os, subprocess, sys
    script = "trap '' TERM; echo $$; sleep 60 & echo $!; setsid sleep 61 & echo $!; wait"
    words = [sys.executable, "-I", "-S", sys.argv[1], str(os.getpid()), "/bin/sh", "-c", script]
    guard = subprocess.Popen(words, start_new_session=True)
    print(guard.pid, flush=True)
    guard.wait()
""")


def test_it_dies_with_the_supervisor() -> None:
    """SIGKILL of the supervisor: guard, command and all it started are gone at once."""
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR, GUARD], stdout=subprocess.PIPE) as fake:
        pids = pids_of(fake, 4)
        assert all(alive(pid) for pid in pids)
        fake.kill()

    assert gone(*pids)


def test_the_command_dies_with_the_guard() -> None:
    """SIGKILL of the guard itself: the command does not go on."""
    process = guarded("/bin/sleep", "60")
    deadline = time.monotonic() + 5
    while not (children := psutil.Process(process.pid).children()) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()

    assert finish(process)[0] == -signal.SIGKILL
    assert gone(children[0].pid)


def test_signals_are_as_in_a_fresh_process() -> None:
    """The command starts with no signal blocked or ignored, whatever its parents do."""
    script = textwrap.dedent("""
        import re
        found = re.findall("Sig(?:Blk|Ign):.([0-9a-f]+)", open("/proc/self/status").read())
        # Up to 31: above are the C library's own.
        print([number for number in range(1, 32) for mask in found if int(mask, 16) >> (number - 1) & 1])
    """)
    by_python_itself = [signal.SIGPIPE.value, signal.SIGXFSZ.value]

    assert finish(guarded(sys.executable, "-S", "-c", script)) == (0, f"{by_python_itself}\n".encode())
