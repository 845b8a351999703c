"""Limits that a running process meets all at once: open files, processes, a freeze. Each is lifted at the end."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_CGROUPS = Path("/sys/fs/cgroup")


@contextmanager
def soft_files(most: int) -> Iterator[None]:
    """Have processes that are started meanwhile begin with this soft limit of open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def free_files(pid: int, free: int) -> Iterator[None]:
    """Leave a process so many free descriptors."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    try:
        taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    except PermissionError:
        pytest.skip("only root may count the descriptors of a process that keeps its secrets")
    number = 0
    while number in taken or free > 0:
        free -= number not in taken
        number += 1
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (number, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def no_forks(pid: int) -> Iterator[None]:
    """Let a process fork no more (EAGAIN): by its user's limit, and for root, who has none, by a control group."""
    if os.geteuid() != 0:
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NPROC)
        resource.prlimit(pid, resource.RLIMIT_NPROC, (1, hard))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_NPROC, (soft, hard))
        return
    with _control_group("pids", "pids.max") as group:
        (group / "cgroup.procs").write_text(str(pid))
        (group / "pids.max").write_text((group / "pids.current").read_text())
        try:
            yield
        finally:
            (group / "pids.max").write_text("max")
            (group.parent / "cgroup.procs").write_text(str(pid))


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Keep a process in an uninterruptible wait (state D), in which SIGKILL does not end it, for the block."""
    with _control_group("freezer", "freezer.state") as group:
        (group / "cgroup.procs").write_text(str(pid))
        (group / "freezer.state").write_text("FROZEN")
        try:
            yield
        finally:
            (group / "freezer.state").write_text("THAWED")
            for left in (group / "cgroup.procs").read_text().split():
                (group.parent / "cgroup.procs").write_text(left)


@contextmanager
def _control_group(controller: str, needed: str) -> Iterator[Path]:
    """Make a control group that is gone afterwards; its processes must have left it by then."""
    for top in (_CGROUPS / controller, _CGROUPS):
        group = top / f"xyfleet-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if (group / needed).exists() and os.access(group / needed, os.W_OK):
                yield group
                return
        finally:
            _remove(group)
    pytest.skip(f"no control group with {needed} can be made here")


def _remove(group: Path) -> None:
    """Remove a control group once the last process that died in it is gone from there."""
    deadline = time.monotonic() + 5
    while True:
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
