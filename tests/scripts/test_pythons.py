"""scripts/pythons, run for real on a tree and on Pythons that are stand-ins."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.places import REPOSITORY

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="scripts/pythons copies what git tracks")

ROOT = REPOSITORY
ABSENT = "could not be downloaded: no network"


class Machine:
    """A checkout whose scripts/test is a stand-in, a folder with Pythons, and one for temporary files."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.bin, self.tmp = folder / "tree", folder / "bin", folder / "tmp"
        for each in (self.tree / "scripts", self.bin, self.tmp):
            each.mkdir(parents=True)
        subprocess.run(["git", "init", "-q", self.tree], check=True)
        (self.tree / ".gitignore").write_text("/.venv/\n")

    def python(self, name: str, says: str) -> None:
        """Lay a Python there that says this of itself."""
        self._script(self.bin / name, f"echo {says}")

    def test(self, install: str = "", tests: str = "") -> None:
        """Make scripts/test do this for `--version`, and this otherwise; $python is the name of the Python."""
        words = f'python=${{XYFLEET_PYTHON##*/}}\nif [ "$1" = --version ]; then\n:\n{install}\nelse\n:\n{tests}\nfi'
        self._script(self.tree / "scripts" / "test", words)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run scripts/pythons' program."""
        command = [sys.executable, "-P", "-m", "scripts.lib.pythons", "--tree", str(self.tree), *words, str(self.bin)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.tmp)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50)

    def _script(self, path: Path, words: str) -> None:
        path.write_text(f"#!/bin/sh\n{words}\n")
        path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine with two Pythons and a scripts/test that is content."""
    machine = Machine(tmp_path)
    machine.python("python3.12", "cpython True 3 12 3.12.99")
    machine.python("python3.13", "cpython True 3 13 3.13.99")
    machine.test()
    return machine


def test_all_pass(machine: Machine) -> None:
    """Each Python is named with its result, those that are not here too; nothing is left of the copies."""
    result = machine.run()

    assert result.returncode == 0
    lines = result.stdout.splitlines()
    table = lines[lines.index("== Pythons") :]
    assert [line.split()[:2] for line in table[2:4]] == [["3.12.99", "passed"], ["3.13.99", "passed"]]
    absent = [f"3.{minor}" for minor in range(11, 16) if minor not in (12, 13, sys.version_info.minor)]
    assert table[4] == f"== NOT TESTED, not to be had here: {', '.join(absent)}"
    assert table[-1] == "== all is well"
    assert os.listdir(machine.tmp) == []


def test_one_that_fails_fails_all(machine: Machine) -> None:
    """What fails twice on one Python is the exit code and the last line; the others are tested all the same."""
    machine.test(tests='[ "$python" != python3.12 ]')
    result = machine.run()

    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == "== FAILED: 3.12.99"
    assert "3.13.99      passed" in result.stdout


def test_the_second_try_counts_and_is_told(machine: Machine) -> None:
    """What fails is run once more, alone."""
    machine.test(tests='case "$*" in *--last-failed*) ;; *) exit 1 ;; esac')
    result = machine.run()

    assert result.returncode == 0
    assert result.stdout.count("passed") == result.stdout.count("at the second try") == 2


def test_no_tests_is_a_failure(machine: Machine) -> None:
    """pytest's code for "no test was run" is not content, and no reason for a second try."""
    machine.test(tests="exit 5")
    result = machine.run()

    assert result.returncode == 1
    assert "pytest ended with 5" in result.stdout
    assert "once more" not in result.stdout


@pytest.mark.parametrize(("words", "code"), [(ABSENT, 0), ("cannot make sense of this Python", 1)])
def test_no_environment(machine: Machine, words: str, code: int) -> None:
    """An environment that can't be made for lack of network is no failure, but told; for another reason it is one."""
    machine.test(install=f'if [ "$python" = python3.12 ]; then echo "xyfleet: {words}" >&2; exit 1; fi')
    result = machine.run()

    assert result.returncode == code
    assert f"no environment: xyfleet: {words}" in result.stdout
    told = [line for line in result.stdout.splitlines() if line.startswith("== NOT TESTED")]
    assert ("3.12.99" in told[0]) is (code == 0)


@pytest.mark.parametrize("deaf", ["", pytest.param('trap "" INT TERM; ', marks=pytest.mark.long)])
def test_time_is_bounded(machine: Machine, deaf: str) -> None:
    """Tests that hang are ended, with what they started; for a Python whose turn never comes no time was left."""
    mark = machine.tree / "alive"
    machine.test(tests=f'{deaf}(while :; do date +%s%N >"{mark}"; sleep 0.05; done) & wait; sleep 60')
    began = time.monotonic()
    result = machine.run("--within", "0.03")

    assert time.monotonic() - began < 40
    assert result.returncode == 1
    assert "not done within" in result.stdout
    assert "3.13.99      NOT TESTED" in result.stdout
    last = mark.read_text()
    time.sleep(0.3)
    assert mark.read_text() == last


def test_the_copy_is_the_tree_as_it_is(machine: Machine) -> None:
    """Files that are not committed yet are in the copy, removed and ignored ones are not."""
    (machine.tree / "new.py").write_text("")
    (machine.tree / "gone.py").write_text("")
    subprocess.run(["git", "add", "gone.py"], cwd=machine.tree, check=True)
    (machine.tree / "gone.py").unlink()
    (machine.tree / ".venv").mkdir()
    (machine.tree / ".venv" / "x").write_text("")
    machine.test(tests='pwd; echo "files: "$(ls -A)')
    result = machine.run()

    assert "files: .gitignore new.py scripts\n" in result.stdout
    assert str(machine.tree) not in [line.strip() for line in result.stdout.splitlines()]


def test_only_pythons_that_can_be_meant(machine: Machine) -> None:
    """Old ones, other kinds, those of a venv, those that don't run, and the one at hand are left out."""
    machine.python("python3.10", "cpython True 3 10 3.10.13")
    machine.python("python3.11", f"cpython True 3 11 {platform.python_version()}")
    machine.python("python3.14", "cpython False 3 14 3.14.0")
    machine.python("python3.15", "pypy True 3 15 3.15.0")
    machine.python("python3", "; exit 127")
    machine.python("python3-config", "cpython True 3 16 3.16.0")

    assert "== other Pythons here: 3.12.99 3.13.99\n" in machine.run().stdout
