"""The environment in .venv: half-made, changed, moved, or wanted by two starts at once."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.machine import BOOTSTRAP, Machine

# Half-made, changed, moved


def test_half_made_environment_is_made_anew(machine: Machine) -> None:
    """What a killed `venv` left behind is removed."""
    machine.python()
    (machine.tree / ".venv" / "bin").mkdir(parents=True)
    rest = machine.tree / ".venv" / "rest"
    rest.touch()

    result = machine.start()

    assert result.returncode == 0
    assert "making it anew" in result.stderr
    assert not rest.exists()


def test_killed_install_is_made_anew(machine: Machine, tmp_path: Path) -> None:
    """After a SIGKILL in the middle of an install the next start makes the environment anew."""
    machine.python()
    started = tmp_path / "started"
    first = machine.background(STANDIN_PIP_STARTED=str(started))
    while not started.exists():
        assert first.poll() is None
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()

    result = machine.start("status")

    assert result.stdout == "<status>"
    assert "making it anew" in result.stderr


def test_change_of_requirements_installs_again(machine: Machine) -> None:
    """Another pyproject.toml or constraint is installed into the same environment."""
    machine.python()
    machine.start()
    with (machine.tree / BOOTSTRAP / "constraints.txt").open("a") as file:
        file.write("# changed\n")

    result = machine.start()
    silent = machine.start()

    assert "installing" in result.stderr
    assert len(machine.calls("-m venv")) == 1
    assert silent.stderr == ""


def test_moved_folder_is_made_anew(machine: Machine, tmp_path: Path) -> None:
    """An environment names its folder in its scripts, so a copy of the folder gets its own."""
    machine.python()
    machine.start()
    machine.tree = machine.tree.rename(tmp_path / "moved")

    result = machine.start()

    assert "making it anew" in result.stderr
    assert result.returncode == 0


def test_lost_interpreter_is_made_anew(machine: Machine) -> None:
    """When the Python below was removed or upgraded away, the environment is made anew."""
    machine.python()
    machine.start()
    python = machine.tree / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3.11")

    assert "making it anew" in machine.start().stderr


# Two at once


@pytest.mark.parametrize("tool", ["flock", "mkdir"])
def test_two_at_once_make_one_environment(machine: Machine, tool: str) -> None:
    """Of two first starts at once one installs and the other waits and says so, with flock and without."""
    machine.python()
    if tool == "mkdir":
        (machine.bin / "flock").unlink()
    both = [machine.background(STANDIN_PAUSE="0.5") for _ in range(2)]

    errors = [process.communicate()[1] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert len(machine.calls("-m venv")) == 1
    assert sum("waiting for it" in error for error in errors) == 1
    assert not (machine.tree / ".venv.lock.d").exists()


def test_lock_of_a_dead_start_is_taken_over(machine: Machine) -> None:
    """Without flock, the lock of a start that was killed holds nobody up."""
    machine.python()
    (machine.bin / "flock").unlink()
    dead = subprocess.Popen(["true"])
    dead.wait()
    lock = machine.tree / ".venv.lock.d"
    lock.mkdir()
    (lock / "pid").write_text(f"{dead.pid}\n")

    assert machine.start().returncode == 0
    assert not lock.exists()


def test_running_xyfleet_does_not_hold_the_lock(machine: Machine) -> None:
    """A fleet that runs for days leaves the lock to others."""
    machine.python()
    fleet = machine.background(STANDIN_WAITS="yes")
    assert fleet.stdout is not None
    assert fleet.stdout.read(2) == "<>"

    with (machine.tree / ".venv.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fleet.communicate("")

    assert fleet.returncode == 0
