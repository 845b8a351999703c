"""Runs the refresh hook so that it can't outlive the supervisor, nor leave anything behind. Shell.

    python -I -S hookguard.py SUPERVISOR_PID COMMAND [ARGUMENT ...]

A program of its own with nothing but the standard library. It leads a session of its own and is a subreaper
(prctl(2)): whatever the hook starts, a browser in its own session too, stays its descendant and is killed at the end.
SIGTERM from the supervisor: the hook gets SIGTERM, and SIGKILL after `GRACE` seconds. Supervisor dead: SIGKILL.
It ends as the hook does: same exit code, same signal. 126 and an error as JSON mean that the hook was not started.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator

GRACE = 1.0
LAST_FENCE = 3.0
"""Seconds for the killed to be gone; one that belongs to another user can't be killed, and is not waited for."""
NOT_STARTED = 126
USUAL_FILES = 1024
"""Soft limit of open files that Linux gives to programs; the supervisor has raised its own."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
HEARD = (signal.SIGTERM, signal.SIGCHLD)


def main(supervisor: int, command: list[str]) -> int:
    """Run the command; return its wait status."""
    libc = ctypes.CDLL(None, use_errno=True)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)  # They wait until they are asked for: no handler, no race.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != supervisor:
        return signal.SIGKILL  # It died before the first prctl.
    status = watch(supervisor, start(command, libc))
    end_rest()
    return status


def watch(supervisor: int, child: int) -> int:
    """Wait for the hook's end or for the end of its time; return its wait status, or SIGKILL."""
    deadline = float("inf")
    while True:
        heard = signal.sigtimedwait(HEARD, max(0.0, min(deadline - time.monotonic(), 3600.0)))
        if os.getppid() != supervisor or time.monotonic() >= deadline:
            return signal.SIGKILL
        if heard is not None and heard.si_signo == signal.SIGTERM and deadline == float("inf"):
            deadline = time.monotonic() + GRACE
            os.killpg(0, signal.SIGTERM)
        for pid, status in reaped():
            if pid == child:
                return status


def reaped() -> Iterator[tuple[int, int]]:
    """Yield pid and wait status of the children that have ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, status


def start(command: list[str], libc: ctypes.CDLL) -> int:
    """Start the hook in our process group, dying with us; return its pid."""
    guard = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # What Python or our own parents ignore, the hook need not.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        limit_files()
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(NOT_STARTED)  # The guard died before the prctl; nobody is left to hear of it.
        os.execv(command[0], command)
    except OSError as error:
        answer = {"error": f"cannot be started: {os.strerror(error.errno or 0).lower()}"}
        os.write(1, json.dumps(answer).encode())
    os._exit(NOT_STARTED)


def limit_files() -> None:
    """Take the soft limit of open files back to the usual one: programs may go through all numbers up to it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = USUAL_FILES if hard == resource.RLIM_INFINITY else min(USUAL_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def end_rest() -> None:
    """Kill all descendants: those of a killed process become our children, so it ends when there are none."""
    deadline = time.monotonic() + LAST_FENCE
    while time.monotonic() < deadline:
        for _ in reaped():
            pass
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        for pid in children():
            with contextlib.suppress(PermissionError):
                os.kill(pid, signal.SIGKILL)  # Not reaped yet, so the pid is still that process's.
        signal.sigtimedwait(HEARD, 0.05)


def children() -> list[int]:
    """Return our children's pids. (`/proc/self/task/*/children` is not in every kernel.)"""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as stat:
                    parent = int(stat.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue  # It has ended meanwhile.
            if parent == os.getpid():
                found.append(int(entry))
    return found


def end_as(status: int) -> None:
    """End as the hook did: its exit code, or its signal."""
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # A core of ours would say nothing about the hook.
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    end_as(main(int(sys.argv[1]), sys.argv[2:]))
