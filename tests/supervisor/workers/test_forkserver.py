"""The forkserver that the workers are forked from, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STUCK = """
import os, signal, sys, time
from pathlib import Path
from xyfleet.supervisor.workers import forkserver
forkserver.START_TIMEOUT = 0.3
server = forkserver.Forkserver(Path(sys.argv[1]))
server.launch()
os.kill(server.pid, signal.SIGSTOP)
began = time.monotonic()
try:
    server.spawn(b"", None, "a0")
except forkserver.SpawnFailed:
    print(time.monotonic() - began, server.alive)
"""


def test_stopped_forkserver_is_killed_at_the_next_start(tmp_path: Path) -> None:
    """
    A start that gets no answer in time fails, and the stuck forkserver is dead: another one can be launched.

    With a whole fleet and the real patience: `test_fleet_kills`.
    """
    done = subprocess.run(
        [sys.executable, "-c", STUCK, str(tmp_path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    took, alive = done.stdout.split()

    assert 0.3 < float(took) < 10
    assert alive == "False"
