"""Immortal objects: where they can be made they stay so and change nothing; elsewhere nothing is touched."""

from __future__ import annotations

import subprocess
import sys

import pytest

from xyfleet.worker.prewarm import immortal

pytestmark = pytest.mark.pythons
able = pytest.mark.skipif(not immortal.possible(), reason="this Python's objects can't be made immortal")


def run(program: str) -> tuple[str, str, int]:
    """Run a program in a process of its own that leaves as workers do."""
    done = subprocess.run(
        [sys.executable, "-c", f"import os, sys\n{program}\nsys.stdout.flush()\nos._exit(0)"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout, done.stderr, done.returncode


@able
def test_counts_stand_still() -> None:
    """Objects keep their count under use and under the collector, and a child that is forked does its work."""
    program = """
import asyncio, gc, json
from xyfleet.worker import preload
from xyfleet.worker.prewarm import immortal
class Thing: pass
kept = [Thing(), {"a": [1.5, "x" * 40]}, (object(),), 2**70, json.dumps, Thing, b"bytes" * 9]
print(immortal.make_immortal() > 10_000)
gc.freeze()
before = [sys.getrefcount(each) for each in kept]
more = [list(kept) for _ in range(100)]
gc.collect()
print(before == [sys.getrefcount(each) for each in kept], min(before) >= 1 << 30)
child = os.fork()
if not child:
    async def live():
        return await asyncio.to_thread(json.loads, json.dumps({"a": [str(n) for n in range(9999)]}))
    os._exit(len(asyncio.run(live())["a"]) != 9999)
print(os.waitpid(child, 0)[1])
"""
    assert run(program) == ("True\nTrue True\n0\n", "", 0)


@able
def test_what_kills_the_trial_kills_nobody_else() -> None:
    """A child tries it first: when that one dies nothing was changed, and the words say what it died of."""
    program = """
import ctypes, gc
gc.disable()  # a collection would look at the trap
from xyfleet.worker.prewarm import immortal
class Trap:
    pass
trap = Trap()
ctypes.c_size_t.from_address(id(trap) + 8).value = 1  # no type: whoever looks at it crashes
try:
    immortal.make_immortal()
except immortal.Refused as error:
    print(error)
print(sys.getrefcount(immortal) < 1 << 30)
"""
    out, _, code = run(program)

    assert code == 0
    assert out == "the child that tried to make objects immortal ended with -11\nTrue\n"


@pytest.mark.skipif(immortal.possible(), reason="this Python's objects can be made immortal")
def test_an_older_python_is_left_alone() -> None:
    """Where it is not possible the warm-up leaves it out without a word."""
    program = """
from xyfleet.worker.prewarm.warmup import warm_up
from xyfleet.worker.process import shield
warm_up(shield.SSL_CONTEXT, ["immortal"])
print(sys.getrefcount(warm_up) < 1 << 30)
"""
    assert run(program) == ("True\n", "", 0)
