"""The warm-up before the first fork: it leaves nothing behind that must not be there when a process forks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.pythons

PROGRAM = """
import asyncio, os, tempfile, threading
from xyfleet.worker.process import shield
from xyfleet.worker.prewarm.warmup import warm_up
before = sorted(os.listdir("/proc/self/fd"))
warm_up(shield.SSL_CONTEXT)
assert sorted(os.listdir("/proc/self/fd")) == before
assert threading.active_count() == 1 and len(os.listdir("/proc/self/task")) == 1
assert os.listdir(tempfile.gettempdir()) == []
try:
    asyncio.get_running_loop()
except RuntimeError:
    print("good")
"""


def run(program: str, **env: str) -> tuple[str, str]:
    """Run a program in a process of its own; return what it printed and complained about."""
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=20, check=False
    )
    return done.stdout, done.stderr


def test_leaves_nothing_behind(tmp_path: Path) -> None:
    """No descriptor, file, thread or loop, and nothing to complain about."""
    assert run(PROGRAM, TMPDIR=str(tmp_path)) == ("good\n", "")


def test_goes_on_without_temporary_files() -> None:
    """Where nothing can be written, it says so, and workers start all the same."""
    program = """
import tempfile
from xyfleet.worker.process import shield
from xyfleet.worker.prewarm.warmup import warm_up
tempfile.tempdir = "/nowhere"
warm_up(shield.SSL_CONTEXT)
print("good")
"""
    out, err = run(program)

    assert out == "good\n"
    assert err.startswith("xyfleet: workers will need more memory: no temporary files can be written: ")
    assert err.count("\n") == 1


@pytest.mark.skipif(sys.version_info < (3, 14), reason="code does not note which constants are immortal")
def test_rehearsed_code_counts_no_constants() -> None:
    """Code that was rehearsed writes to no constant: it learnt how to load each after that one was immortal."""
    program = """
import dis
from xyfleet.worker.messaging.intake import PushIntake
from xyfleet.worker.process import shield
from xyfleet.worker.prewarm.warmup import warm_up
from xyfleet.worker.storage import message_store, sqlite
warm_up(shield.SSL_CONTEXT)
for function in (sqlite.open_inbox, message_store.MessageStore.figures, PushIntake.take):
    loads = {each.opname for each in dis.get_instructions(function, adaptive=True) if "LOAD_CONST" in each.opname}
    print("LOAD_CONST_MORTAL" in loads, "LOAD_CONST_IMMORTAL" in loads)
"""
    assert run(program) == (3 * "False True\n", "")
