"""A supervisor that has no file descriptor left can't look at processes: it judges none by that, and looks again."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator

from xyfleet.supervisor.runtime import orphans
from xyfleet.supervisor.workers import watchdog


@contextlib.contextmanager
def no_files() -> Iterator[None]:
    """Leave this process no descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_cannot_be_seen_is_not_judged() -> None:
    """The state of a silent worker is unknown: it is not killed for it. (Found by scripts/chaos: the watchdog fell.)"""
    with no_files():
        assert watchdog._in_disk_sleep(os.getpid())
    assert not watchdog._in_disk_sleep(os.getpid())


def test_children_that_cannot_be_seen_are_looked_for_again() -> None:
    """(Found by scripts/chaos: the part that ends orphans fell, with a traceback.)"""
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    with no_files():
        assert orphans._children() is None
    assert child.pid in (orphans._children() or [])
    child.communicate(b"\n")
