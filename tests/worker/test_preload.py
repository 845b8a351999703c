"""The preload: complete, marked, and without side effects anywhere but in a forkserver."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.pythons


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)


PRELOAD = """
import os, signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored from the beginning
os.environ["XYFLEET_FORKSERVER"] = {value}
import gc
frozen = gc.get_freeze_count()  # not 0 on Python 3.12: there it counts what can't die, too
from xyfleet.worker import preload
frozen = gc.get_freeze_count() > frozen + 10_000
print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, os.getpgid(0) == os.getpid(), frozen)
"""


@pytest.mark.parametrize("value", ['""', "str(os.getpid())", '"1"', '"x"'])
def test_preload_elsewhere_has_no_side_effects(value: str) -> None:
    """Tests, type checkers and the supervisor itself may import the preload."""
    assert run(PRELOAD.format(value=value)).stdout == "False False False\n"


def test_preload_in_a_forkserver() -> None:
    """In a child of the process that the variable names, the process is shielded and its memory frozen."""
    assert run(PRELOAD.format(value="str(os.getppid())")).stdout == "True True True\n"


def test_preload_names_what_there_is() -> None:
    """Every module that the preload names exists, and a marker and a trust store are there."""
    done = run("""
import ssl, sys
from xyfleet.worker import preload
from xyfleet.worker.process import shield
from xyfleet.worker.process.build_id import build_id
assert all(name in sys.modules for name in preload.NEEDED)
assert shield.imported_since(most=9) == []
assert shield.MARKER == build_id()
assert shield.SSL_CONTEXT.verify_mode == ssl.CERT_REQUIRED and shield.SSL_CONTEXT.check_hostname
print("good")
""")

    assert done.stdout == "good\n", done.stderr


def test_entry_is_light() -> None:
    """The supervisor imports the entry for its name; that brings nothing heavy with it."""
    done = run("""
import sys
import xyfleet.worker.process.entry
print({"uvloop", "websockets", "ssl", "msgspec", "xyfleet.worker.preload"} & set(sys.modules))
""")

    assert done.stdout == "set()\n"
