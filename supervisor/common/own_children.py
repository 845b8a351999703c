"""Which children of the supervisor process it started itself; the rest came to it by somebody's end. Shell.

One list for the whole process, for so the kernel has it. Whoever starts a process says so here, and whoever waits for
one says that it is gone: `runtime.orphans` kills what is not on the list.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from subprocess import Popen
from typing import Final

HELPER: Final = "XYFLEET_HELPER_OF"
"""Names us in a helper's environment, and in that of whatever it starts: if we are killed, the next fleet ends it."""
_own: set[int] = set()
_helpers: set[Popen[bytes]] = set()
_counting = threading.Lock()
_starting = 0
_deaths = 0


def began(pid: int) -> None:
    """We started this one, and wait for its end ourselves."""
    _own.add(pid)


def ended(pid: int) -> None:
    """It was waited for: its number may be another's from now on. What it started may be ours now."""
    _own.discard(pid)
    note_death()


def note_death() -> None:
    """Somebody below us ended who may have left children."""
    global _deaths
    with _counting:
        _deaths += 1


def deaths() -> int:
    """Return how many ends were noted so far."""
    return _deaths


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """While it holds, a child may be ours that is not on the list yet (an event loop's `subprocess_exec`)."""
    global _starting
    with _counting:
        _starting += 1
    try:
        yield
    finally:
        with _counting:
            _starting -= 1


@contextlib.contextmanager
def helper(
    command: Sequence[str],
    *,
    cwd: str | Path,
    env: Mapping[str, str],
    stdin: int = subprocess.PIPE,
    output: int = subprocess.PIPE,
    errors: int = subprocess.PIPE,
) -> Iterator[Popen[bytes]]:
    """
    Start a process in a session of its own that a thread of ours waits for; its whole group is killed behind it.

    Raises:
        OSError: it can't be started.
    """
    marked = {**env, HELPER: str(os.getpid())}
    with starting():
        process = Popen(
            command, bufsize=0, stdin=stdin, stdout=output, stderr=errors, env=marked, cwd=cwd, start_new_session=True
        )
        began(process.pid)
    _helpers.add(process)
    try:
        with process:
            try:
                yield process
            finally:
                _kill_group(process)
    finally:
        _helpers.discard(process)
        ended(process.pid)


def end_helpers() -> None:
    """Kill the helpers: the process is about to end, and with it the threads that wait for them."""
    for process in list(_helpers):
        if process.poll() is None:
            _kill_group(process)


def _kill_group(process: Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def complete() -> bool:
    """Whether the list has all of ours."""
    return not _starting


def is_own(pid: int) -> bool:
    """Whether we started this child."""
    return pid in _own
