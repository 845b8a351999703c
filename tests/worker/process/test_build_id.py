"""The marker of the program files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xyfleet.worker.process import build_id as module
from xyfleet.worker.process.build_id import build_id
from xyfleet.worker.version import VERSION

pytestmark = pytest.mark.pythons

PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from xyfleet.worker.process.build_id import build_id; print(build_id())"
)


def test_form() -> None:
    """Version and digest, the same at each call."""
    assert re.fullmatch(re.escape(VERSION) + r"\+[0-9a-f]{16}", build_id())
    assert build_id() == build_id()


def marker_of(folder: Path) -> str:
    """Return what a program in this folder says."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], check=True, capture_output=True, text=True, timeout=20
    )
    return done.stdout.strip()


def test_any_changed_file_changes_it(tmp_path: Path) -> None:
    """A changed, added, renamed or removed source file is another program; other files are not."""
    package = tmp_path / "xyfleet" / "worker"
    shutil.copytree(Path(module.__file__).parents[1], package, ignore=shutil.ignore_patterns("__pycache__"))
    seen = [marker_of(tmp_path)]
    (package / "notes.txt").write_text("x")
    assert marker_of(tmp_path) == seen[0]
    changes: list[Callable[[], object]] = [
        lambda: (package / "settings.py").write_text((package / "settings.py").read_text() + "\n"),
        lambda: (package / "more.py").write_text(""),
        lambda: (package / "more.py").rename(package / "other.py"),
        lambda: (package / "storage" / "inbox.py").rename(package / "storage" / "inbox.txt"),
    ]
    for change in changes:
        change()
        seen.append(marker_of(tmp_path))

    assert seen[0] == build_id()
    assert len(set(seen)) == len(seen)
