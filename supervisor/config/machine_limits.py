"""What the machine, its user and its cgroup allow: files, processes, memory, disk, pipes. Shell (looks at them)."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

FREE_MEMORY: Final = "MemAvailable"
"""Where the memory that is free now stands."""
_UNLIMITED: Final = 2**60
"""cgroup v1 writes "no limit" as a number of this size."""


class Allowance(msgspec.Struct, frozen=True):
    """A limit and the place that sets it."""

    where: str
    """Its technical name, as an administrator would look for it."""
    most: int


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine allows; what is absent is unlimited or unknown."""

    files: int | None = None
    """Open files per process (hard limit)."""
    tasks: tuple[Allowance, ...] = ()
    """Processes and threads."""
    memory: tuple[Allowance, ...] = ()
    """Bytes."""
    disk: Allowance | None = None
    """Bytes free for log files."""
    state_disk: Allowance | None = None
    """Bytes free for the inboxes."""
    pipe_pages: int | None = None
    """Pages in all pipes of this user (kernel.pipe-user-pages-hard); none for root."""


def read_limits(
    log_dir: Path | None = None,
    state_dir: Path | None = None,
    *,
    proc: Path = Path("/proc"),
    cgroup: Path = Path("/sys/fs/cgroup"),
    root: bool | None = None,
) -> Limits:
    """
    Return what this machine, this user and this cgroup (its parents too) allow.

    Args:
        log_dir: where the log files go; need not exist yet. None = no look at the disk.
        state_dir: where the inboxes go; the same.
        proc, cgroup: where these file systems are mounted.
        root: whether this user is above the limits of plain users; None = look.
    """
    root = os.geteuid() == 0 if root is None else root
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    pages = _number(proc / "sys/fs/pipe-user-pages-hard")
    return Limits(
        files=None if hard == resource.RLIM_INFINITY else hard,
        tasks=tuple(_task_limits(proc, cgroup, root=root)),
        memory=(*_memory_limits(proc, cgroup), *_free_memory(proc)),
        disk=None if log_dir is None else _free_disk(log_dir),
        state_disk=None if state_dir is None else _free_disk(state_dir),
        pipe_pages=None if root or not pages else pages,
    )


def total_memory(*, proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes of memory this machine has, or its cgroup may use; 0 when nothing says."""
    limits = [limit.most for limit in _memory_limits(proc, cgroup)]
    return min([_meminfo(proc, "MemTotal") or 0, *limits])


def _task_limits(proc: Path, cgroup: Path, *, root: bool) -> Iterator[Allowance]:
    yield from _cgroup_limits("pids", "pids.max", "pids.max", proc, cgroup)
    for where in ("kernel/pid_max", "kernel/threads-max"):
        most = _number(proc / "sys" / where)
        if most is not None:
            yield Allowance(where.replace("/", "."), most)
    most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    if not root and most != resource.RLIM_INFINITY:
        yield Allowance("ulimit -Hu", most)


def _memory_limits(proc: Path, cgroup: Path) -> Iterator[Allowance]:
    return _cgroup_limits("memory", "memory.max", "memory.limit_in_bytes", proc, cgroup)


def _free_memory(proc: Path) -> Iterator[Allowance]:
    free = _meminfo(proc, FREE_MEMORY)
    if free is not None:
        yield Allowance(FREE_MEMORY, free)


def _meminfo(proc: Path, key: str) -> int | None:
    for line in _lines(proc / "meminfo"):
        name, _colon, rest = line.partition(":")
        if name == key:
            return int(rest.split()[0]) * 1024
    return None


def _cgroup_limits(controller: str, v2: str, v1: str, proc: Path, cgroup: Path) -> Iterator[Allowance]:
    """Yield the limits of our cgroup and of each above it; a file that is not there means no limit."""
    for line in _lines(proc / "self/cgroup"):
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            top = cgroup / "unified" if (cgroup / "unified").is_dir() else cgroup
            name = v2
        elif controller in controllers.split(","):
            top, name = cgroup / controller, v1
        else:
            continue
        ours = top / os.path.normpath(f"/{path}").lstrip("/")
        for folder in (ours, *ours.parents):
            most = _number(folder / name)
            if most is not None and most < _UNLIMITED:
                yield Allowance(str(folder / name), most)
            if folder == top:
                break


def _lines(path: Path) -> list[str]:
    """Return a file's lines; none when it is not there (a container may hide parts of /proc)."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    """Return the number in a file; None when there is no file, or no number (`max`) in it."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _free_disk(folder: Path) -> Allowance:
    """Return the bytes free where a folder is, or will be."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    return Allowance(str(there), shutil.disk_usage(there).free)
