"""Runs the marked tests on one Python, in a copy of the tree that is removed afterwards. Shell."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import click

from scripts.lib.pythons.find import Python

MARKS: Final = "pythons and not timing"
INSTALL_WITHIN: Final = 240.0
"""Seconds that making an environment may take."""
TEST_WITHIN: Final = 300.0
"""Seconds that the tests may take, the second try of what failed included."""
_END_WITHIN: Final = 15.0
"""Seconds that interrupted tests have to clean up."""
_NOT_OURS: Final = (
    "could not be downloaded",
    "the package index that pip uses lacks",
    "has no ready-made build",
    "the disk is full",
    "has no venv module",
    "was built without",
)
"""Parts of what the bootstrap says when this machine, not xyfleet, is why there is no environment."""


class Result(Enum):
    """What became of one Python."""

    PASSED = "passed"
    FAILED = "FAILED"
    NOT_TESTED = "NOT TESTED"


@dataclass(frozen=True)
class Trial:
    """A result, and the words to it."""

    result: Result
    words: str = ""


def tried(root: Path, python: Python, within: float) -> Trial:
    """Make an environment for a Python and run the marked tests in it, for so many seconds at most."""
    end = time.monotonic() + within
    environment = {**os.environ, "XYFLEET_PYTHON": str(python.path), "LC_ALL": "C.UTF-8"}
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        environment.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="xyfleet-pythons-") as folder:
        tree = Path(folder, "xyfleet")
        copy(root, tree)
        trouble = _install(tree, environment, min(INSTALL_WITHIN, end - time.monotonic()))
        return trouble or _test(tree, environment, min(TEST_WITHIN, end - time.monotonic()))


def copy(root: Path, tree: Path) -> None:
    """Copy what git tracks or would track, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
    )
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        source, target = root / name, tree / name
        if source.is_symlink() or source.is_file():  # else it was removed and not yet committed
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)


def _install(tree: Path, environment: dict[str, str], within: float) -> Trial | None:
    """Make the environment; return what is in the way, if anything is."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        code = run(["scripts/test", "--version"], tree, environment, within, output.fileno())
        output.seek(0)
        said = output.read()
    if code == 0:
        return None
    click.echo(said, nl=False)
    if code is None:
        return Trial(Result.NOT_TESTED, f"no environment within {within:.0f} s")
    words = "no environment: " + said.strip().rpartition("\n")[2]
    ours = not any(part in said for part in _NOT_OURS)
    return Trial(Result.FAILED if ours else Result.NOT_TESTED, words)


def _test(tree: Path, environment: dict[str, str], within: float) -> Trial:
    """Run the tests; what fails is run once more, alone, as `scripts/test` does."""
    end = time.monotonic() + within
    tests = ["scripts/test", "-q", "-m", MARKS]
    code = run([*tests, "-n", "2", "--dist", "worksteal"], tree, environment, within)
    if code == 1:
        click.echo("== once more, alone, what failed")
        again = [*tests, "--last-failed", "--last-failed-no-failures=none"]
        code = run(again, tree, environment, end - time.monotonic())
        if code == 0:
            return Trial(Result.PASSED, "some tests at the second try")
    if code == 0:
        return Trial(Result.PASSED)
    return Trial(Result.FAILED, f"not done within {within:.0f} s" if code is None else f"pytest ended with {code}")


def run(
    command: Sequence[str], folder: Path, environment: dict[str, str], within: float, output: int | None = None
) -> int | None:
    """Run a command, its output going to a file descriptor or to ours; return its exit code, None: it took too long."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        return process.wait(max(within, 0.0))
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a command: politely, so that tests end what they started, then for sure."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_WITHIN)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
