"""What handlers left when worker, forkserver and supervisor were all killed: the next fleet ends it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from xyfleet.supervisor.common import own_children
from xyfleet.supervisor.runtime.leftovers import end_leftovers

pytestmark = pytest.mark.pythons


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Give something that ends what a test starts."""
    with ExitStack() as made:
        yield made


def sleeper(stack: ExitStack, supervisor: str, mark: str = "XYFLEET_FORKSERVER") -> subprocess.Popen[bytes]:
    """Start a process as a handler does whose fleet has this supervisor."""
    env = {"PATH": os.environ["PATH"], mark: supervisor, "XYFLEET_READY": "7"}
    child = stack.enter_context(subprocess.Popen(["sleep", "600"], env=env, start_new_session=True))
    stack.callback(child.kill)
    deadline = time.monotonic() + 5
    while b"sleep" not in Path(f"/proc/{child.pid}/cmdline").read_bytes() and time.monotonic() < deadline:
        time.sleep(0.01)
    return child


def ended() -> str:
    """Return the number of a process that is no more."""
    child = subprocess.Popen(["true"])
    child.wait()
    return str(child.pid)


def test_what_a_killed_fleet_left_is_ended(stack: ExitStack) -> None:
    """Its supervisor is gone: it is killed. What a living one's handlers have, and what has no mark, is let be."""
    left, living, unmarked = (sleeper(stack, who) for who in (ended(), str(os.getpid()), "nobody"))
    end_leftovers()

    assert left.wait(5) == -9
    assert (living.poll(), unmarked.poll()) == (None, None)


def test_what_a_killed_supervisor_was_trying_is_ended(stack: ExitStack) -> None:
    """A handler in an endless loop, that a reload looked at, would go on for ever."""
    left, living = (sleeper(stack, who, own_children.HELPER) for who in (ended(), str(os.getpid())))
    end_leftovers()

    assert left.wait(5) == -9
    assert living.poll() is None


def test_a_zombie_is_gone(stack: ExitStack) -> None:
    """A supervisor that was killed and that nobody has reaped yet is no more either."""
    zombie = stack.enter_context(subprocess.Popen(["sleep", "600"]))
    left = sleeper(stack, str(zombie.pid))
    zombie.kill()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    end_leftovers()

    assert left.wait(5) == -9
