"""The supervisor's log on a disk that does not answer holds nobody up; what was said last is written."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

CHILD = textwrap.dedent("""
    import logging, sys, threading, time
    from pathlib import Path
    from xyfleet.supervisor.runtime.leaving import leave
    from xyfleet.supervisor.runtime.log_setup import open_log
    from xyfleet.supervisor.settings import Fleet, Log
    from xyfleet.worker.telemetry.log_handlers import RotatingFile
    folder, how = Path(sys.argv[1]), sys.argv[2]
    if how == "hangs":
        RotatingFile._append = lambda file, line: threading.Event().wait()
    open_log(Fleet(name="f", state_dir=folder, log=Log(dir=folder, max_bytes=1_000_000)))
    log = logging.getLogger("xyfleet")
    began = time.monotonic()
    for number in range(2000):
        log.warning("line %d", number)
    print(time.monotonic() - began)
    leave(7)
""")


def run(folder: Path, how: str) -> float:
    """Say 2,000 lines and leave; return how long the saying took."""
    words = [sys.executable, "-P", "-c", CHILD, str(folder), how]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (7, "")
    return float(done.stdout)


def test_a_disk_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    """Neither who says something nor the end of the process waits for it."""
    assert run(tmp_path, "hangs") < 2.0


def test_the_last_line_is_written(tmp_path: Path) -> None:
    """The process ends behind its last line, not before it."""
    run(tmp_path, "goes")
    lines = (tmp_path / "supervisor.log").read_text().splitlines()

    assert len(lines) == 2000
    assert lines[-1].endswith("line 1999")
