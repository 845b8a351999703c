"""What a hook inherits of the supervisor's limits."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import xyfleet.supervisor as supervisor
from support.machinelimits import soft_files

GUARD = Path(supervisor.__path__[0]) / "login_hook" / "guard.py"


def test_soft_limit_of_files_is_the_usual_one() -> None:
    """The supervisor raised its own; a hook's browser may go through all numbers up to it (finding 4)."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    words = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), "/bin/sh", "-c", "ulimit -Sn; ulimit -Hn"]
    with soft_files(hard):
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, start_new_session=True, check=True)

    assert done.stdout.split() == [str(min(1024, hard)), str(hard)]
