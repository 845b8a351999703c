"""The warm-up before the first fork: it leaves nothing behind that must not be there when a process forks."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio, os, threading
from xyfleet.worker import body
from xyfleet.worker.warmup import warm_up
before = sorted(os.listdir("/proc/self/fd"))
warm_up()
assert sorted(os.listdir("/proc/self/fd")) == before
assert threading.active_count() == 1 and len(os.listdir("/proc/self/task")) == 1
try:
    asyncio.get_running_loop()
except RuntimeError:
    print(open("/proc/self/cmdline").read().rstrip("\\0"))
"""


def test_leaves_nothing_behind() -> None:
    """No descriptor, no thread and no loop; the process is titled."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=20, check=False)

    assert (done.stdout, done.stderr) == ("xyfleet: forkserver\n", "")
