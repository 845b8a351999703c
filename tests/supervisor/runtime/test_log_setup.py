"""The supervisor's own log: private, bounded, there again when it was removed, and refused where it is none of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

CHILD = textwrap.dedent("""
    import logging, os, sys, time
    from pathlib import Path
    from xyfleet.supervisor.runtime.log_setup import open_log
    from xyfleet.supervisor.settings import Fleet, Log
    folder = Path(sys.argv[1])
    open_log(Fleet(name="f", state_dir=folder, log=Log(dir=folder, format=sys.argv[2], max_bytes=2000, backups=1)))
    log = logging.getLogger("xyfleet")
    log.warning("店 %d", 1)
    while not (folder / "supervisor.log").exists():
        time.sleep(0.005)
    (folder / "supervisor.log").unlink()
    for number in range(100):
        log.warning("店 %d", number)
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("fault")
""")


def run(folder: Path, form: str) -> subprocess.CompletedProcess[str]:
    """Log from a process of its own, as this one has a log already."""
    words = [sys.executable, "-P", "-c", CHILD, str(folder), form]
    return subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("form", ["console", "json"])
def test_log_is_bounded_and_comes_back(tmp_path: Path, form: str) -> None:
    """A removed file is made again, a full one put aside; each line is whole, and nothing goes to the terminal."""
    done = run(tmp_path, form)
    path, older = tmp_path / "supervisor.log", tmp_path / "supervisor.log.1"

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {each.name for each in tmp_path.iterdir()} == {path.name, older.name}
    assert max(each.stat().st_size for each in (path, older)) <= 2000
    assert {each.stat().st_mode & 0o777 for each in (path, older)} == {0o600}
    assert "ZeroDivisionError" in path.read_text()
    if form == "json":
        last = json.loads(path.read_text().splitlines()[-1])
        assert (last["level"], last["message"]) == ("ERROR", "fault")
    else:
        assert older.read_text().splitlines()[-1].startswith("20")


def test_a_pipe_in_its_place_is_refused(tmp_path: Path) -> None:
    """B23: it is not waited for, and no start goes on whose log nobody would ever see."""
    os.mkfifo(tmp_path / "supervisor.log", 0o600)
    done = run(tmp_path, "console")

    assert done.returncode == 1
    assert "NotPrivate" in done.stderr
