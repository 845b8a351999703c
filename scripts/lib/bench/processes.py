"""Looks at processes, waits for them, and sees to it that none outlives the benchmark. Shell."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import select
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import psutil

MIB: Final = 2**20
_PR_SET_PDEATHSIG: Final = 1
_libc: Final = ctypes.CDLL(None, use_errno=True)


class Broken(Exception):
    """Something that must hold does not, and there is nothing left to measure; the text says what."""


def tied(number: signal.Signals = signal.SIGTERM) -> None:
    """To be run between fork and exec: have the kernel send this signal when the benchmark dies, however it does."""
    _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def tied_with_many_files() -> None:
    """As `tied`, with as many open files as are allowed; for programs that do not see to that themselves."""
    tied()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def wait(holds: Callable[[], object], what: str, timeout: float, pause: float = 0.02) -> float:
    """Wait until something holds, looking every `pause` seconds, and return the monotonic time. Raises `Broken`."""
    end = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > end:
            raise Broken(f"not within {timeout:g} s: {what}")
        time.sleep(pause)
    return time.monotonic()


def wait_exit(pid: int, timeout: float) -> float:
    """Wait for the end of our child, without looking for it again and again; return when it was. Raises `Broken`."""
    pidfd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(timeout * 1000):
            raise Broken(f"not within {timeout:g} s: the end of process {pid}")
        return time.monotonic()
    finally:
        os.close(pidfd)


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run; a zombie does not."""
    return [process for process in processes if process.is_running() and _status(process) != psutil.STATUS_ZOMBIE]


def left(processes: Iterable[psutil.Process], within: float) -> list[psutil.Process]:
    """
    Return those that nothing has ended after `within` seconds; at once when there are none.

    One that was sent SIGKILL never runs again; on a busy machine it may lack the CPU time to be gone as well.
    """
    end = time.monotonic() + within
    rest = alive(processes)
    while rest and time.monotonic() < end:
        time.sleep(0.02)
        rest = alive(rest)
    return [process for process in rest if not _was_killed(process.pid)]


def _was_killed(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8", "replace")
    except OSError:
        return True
    pending = re.findall(r"^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)$", status, re.MULTILINE)
    return any(int(mask, 16) >> (signal.SIGKILL - 1) & 1 for mask in pending)


def _status(process: psutil.Process) -> str:
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return psutil.STATUS_ZOMBIE


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill these very processes, never later ones with their pids."""
    for process in alive(processes):
        process.kill()


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """
    Return the CPU time used so far by all of them. Raises `Broken` when one is gone.

    From each process's own clock: /proc counts in steps of 10 ms, and a worker needs less than that for a whole start.
    """
    total = 0.0
    for process in processes:
        clock = ctypes.c_int()
        if _libc.clock_getcpuclockid(process.pid, ctypes.byref(clock)) != 0:
            raise Broken(f"process {process.pid} ended while it was measured")
        total += time.clock_gettime(clock.value)
    return total


def rss_mib(pid: int) -> float:
    """Return the resident set size in MiB."""
    return float(psutil.Process(pid).memory_info().rss) / MIB


def pss_mib(pid: int) -> float | None:
    """Return the proportional set size in MiB, None where we may not look. Raises `Broken` when it is gone."""
    try:
        return float(psutil.Process(pid).memory_full_info().pss) / MIB
    except psutil.AccessDenied:
        return None
    except psutil.NoSuchProcess:
        raise Broken(f"process {pid} ended while it was measured") from None
