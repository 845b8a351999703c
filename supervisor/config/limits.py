"""What a fleet needs of the machine, what the machine allows, and where that falls short. Shell (looks at the machine).

Only `read_limits` and `total_memory` look; the rest is pure. The needs are measured: docs/processes.md.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from xyfleet.supervisor.config.logroom import log_bytes
from xyfleet.supervisor.i18n import _
from xyfleet.supervisor.settings import Settings

_MIB: Final = 1024 * 1024
ACCOUNT_MEMORY: Final = 8 * _MIB
"""Bytes per connected worker, TLS included."""
BASE_MEMORY: Final = 150 * _MIB
"""Bytes for supervisor and forkserver."""
_PIPES_PER_ACCOUNT: Final = 4
"""Report, command, and the forkserver's start and sentinel pipe."""
_PAGES_PER_PIPE: Final = 2
"""Least pages of a pipe (pipe(7), `PIPE_MIN_DEF_BUFFERS`)."""
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
    pipe_pages: int | None = None
    """Pages in all pipes of this user (kernel.pipe-user-pages-hard); none for root."""


def fds_needed(accounts: int) -> int:
    """
    Return how many files the supervisor has open at most.

    Per worker: sentinel, keep-alive pipe, report pipe, command pipe, pidfd; beyond that token calls, hooks, API
    clients, state files.
    """
    return 5 * accounts + 256


def forkserver_fds_needed(accounts: int) -> int:
    """Return how many files the forkserver has open at most: a status pipe per worker, another while it starts."""
    return 2 * accounts + 32


def tasks_needed(accounts: int, hooks: int) -> int:
    """
    Return how many processes and threads the fleet has at most.

    A worker counts twice: its first name look-up starts a thread that stays. A hook (a browser) counts 4.
    """
    return 2 * accounts + 10 + 4 * hooks


def memory_needed(accounts: int) -> int:
    """Return how many bytes of memory the fleet needs, hooks excluded."""
    return ACCOUNT_MEMORY * accounts + BASE_MEMORY


def shortfalls(settings: Settings, limits: Limits) -> list[str]:
    """Return a sentence, with the numbers, for each limit that will not hold the enabled accounts."""
    accounts = sum(account.enabled for account in settings.accounts.values())
    return [
        *_files(accounts, limits),
        *_tasks(accounts, settings.refresh.max_concurrent if settings.refresh.command else 0, limits),
        *_memory(accounts, limits),
        *_disk(settings, limits),
        *_pipes(accounts, limits),
    ]


def _files(accounts: int, limits: Limits) -> Iterator[str]:
    need = max(fds_needed(accounts), forkserver_fds_needed(accounts))
    if limits.files is not None and limits.files < need:
        yield _(
            "open files: %(need)s needed for %(accounts)s accounts, %(most)s allowed (ulimit -Hn); "
            "raise LimitNOFILE= of the service, or nofile in /etc/security/limits.conf"
        ) % {"need": need, "accounts": accounts, "most": limits.files}


def _tasks(accounts: int, hooks: int, limits: Limits) -> Iterator[str]:
    need = tasks_needed(accounts, hooks)
    for limit in limits.tasks:
        if limit.most < need:
            yield _(
                "processes and threads: %(need)s needed for %(accounts)s accounts, "
                "%(most)s allowed by %(where)s; raise it"
            ) % {"need": need, "accounts": accounts, "most": limit.most, "where": limit.where}


def _memory(accounts: int, limits: Limits) -> Iterator[str]:
    need = memory_needed(accounts)
    for limit in limits.memory:
        if limit.most < need:
            yield _(
                "memory: %(need)s MiB needed for %(accounts)s accounts, %(most)s MiB by %(where)s; "
                "add memory, or use fewer accounts"
            ) % {
                "need": need // _MIB,
                "accounts": accounts,
                "most": limit.most // _MIB,
                "where": limit.where,
            }


def _disk(settings: Settings, limits: Limits) -> Iterator[str]:
    need = log_bytes(settings).worst_case
    if limits.disk is not None and limits.disk.most < need:
        yield _(
            "disk: the logs may take %(need)s MB, %(most)s MB are free at %(where)s; "
            "lower fleet.log.total, or move fleet.log.dir"
        ) % {"need": need // 1_000_000, "most": limits.disk.most // 1_000_000, "where": limits.disk.where}


def _pipes(accounts: int, limits: Limits) -> Iterator[str]:
    need = accounts * _PIPES_PER_ACCOUNT * _PAGES_PER_PIPE
    if limits.pipe_pages is not None and limits.pipe_pages < need:
        yield _(
            "pipes: %(need)s pages needed for %(accounts)s accounts, "
            "%(most)s allowed by fs.pipe-user-pages-hard; raise it"
        ) % {"need": need, "accounts": accounts, "most": limits.pipe_pages}


def read_limits(
    log_dir: Path | None = None,
    *,
    proc: Path = Path("/proc"),
    cgroup: Path = Path("/sys/fs/cgroup"),
    root: bool | None = None,
) -> Limits:
    """
    Return what this machine, this user and this cgroup (its parents too) allow.

    Args:
        log_dir: where the log files go; need not exist yet. None = no look at the disk.
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
    free = _meminfo(proc, "MemAvailable")
    if free is not None:
        yield Allowance("MemAvailable", free)


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
