"""A worker reaps what its handler's processes left to it, and takes no exit code from the handler (field S10)."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio, os, subprocess, time
from xyfleet.worker.process import hardening
from xyfleet.worker.process.adopted import Adopted

def zombies():
    return [line for line in os.popen(f"ps --ppid {os.getpid()} -o stat=,pid=").read().splitlines() if line[0] == "Z"]

def leave():
    pid = os.fork()
    if not pid:
        if not os.fork():
            os._exit(0)
        os._exit(0)
    os.waitpid(pid, 0)

hardening.adopt()
adopted = Adopted()
"""


def run(program: str) -> str:
    """Run a program in a process of its own; return what it printed."""
    words = [sys.executable, "-c", PROGRAM + program]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    assert not done.stderr
    return done.stdout


def test_reaps_after_a_grace() -> None:
    """A daemon that ended is reaped a while later: a library in C may be about to wait for its own."""
    assert run("""
for _ in range(3):
    leave()
time.sleep(0.1)
print(len(zombies()))
began = time.monotonic()
asyncio.run(adopted.look(0.1))
print(len(zombies()), time.monotonic() - began >= 0.3)
""").split() == ["3", "0", "True"]


def test_takes_no_exit_code_from_who_waits() -> None:
    """`subprocess`, `os.fork`, `os.posix_spawn` and multiprocessing find the exit codes of what they started."""
    assert run("""
import multiprocessing
quick = subprocess.Popen(["sh", "-c", "exit 3"])
forked = os.fork()
if not forked:
    os._exit(4)
spawned = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 5"], {})
process = multiprocessing.get_context("fork").Process(target=os._exit, args=(6,))
process.start()
time.sleep(0.2)
asyncio.run(adopted.look(0.1))
print(quick.wait(), *(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in (forked, spawned)))
process.join()
print(process.exitcode)
leave()
time.sleep(0.1)
asyncio.run(adopted.look(0.1))
print(len(zombies()))
""").split() == ["3", "4", "5", "6", "0"]
