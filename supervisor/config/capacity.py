"""What a fleet needs of the machine, what the machine allows, and where that falls short. Shell (looks at the machine).

Only `read_limits` and `total_memory` look; the rest is pure. The needs are measured: docs/processes.md.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.config.log_budget import log_bytes
from xyfleet.supervisor.settings import Settings

_MIB: Final = 1024 * 1024
ACCOUNT_MEMORY: Final = 8 * _MIB
"""Bytes per connected worker, TLS and an open inbox included; what a handler's modules take comes on top."""
WEBHOOK_MEMORY: Final = 48 * _MIB
"""Bytes for the process that calls webhooks, with many calls under way."""
BASE_MEMORY: Final = 150 * _MIB
"""Bytes for supervisor and forkserver."""
_FREE_MEMORY: Final = "MemAvailable"
_PIPES_PER_ACCOUNT: Final = 3
"""Report, command, and the sentinel pipe of the forkserver."""
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
    state_disk: Allowance | None = None
    """Bytes free for the inboxes."""
    pipe_pages: int | None = None
    """Pages in all pipes of this user (kernel.pipe-user-pages-hard); none for root."""


def fds_needed(accounts: int) -> int:
    """
    Return how many files the supervisor has open at most.

    Per worker: sentinel, report pipe, command pipe, pidfd; beyond that token calls, hooks, API clients, state files,
    starts under way, and 16 inboxes being read with 3 files each. The process that calls webhooks needs less.
    """
    return 4 * accounts + 256 + 16 * 3


def forkserver_fds_needed(accounts: int) -> int:
    """Return how many files the forkserver has open at most: a status pipe per worker, and what one start takes."""
    return accounts + 32


def tasks_needed(accounts: int, hooks: int, handlers: int = 0, *, webhooks: bool = False) -> int:
    """
    Return how many processes and threads the fleet has at most.

    A worker counts three times: its first name look-up starts a thread that stays, and its inbox has one while it is
    open. A Python handler has a thread, the process that calls webhooks up to 8, the readers of inboxes 16 together.
    A hook (a browser) counts 4.
    """
    return 3 * accounts + handlers + 10 + 16 + 8 * webhooks + 4 * hooks


def memory_needed(accounts: int, *, webhooks: bool = False) -> int:
    """Return how many bytes of memory the fleet needs, hooks and what handlers import excluded."""
    return ACCOUNT_MEMORY * accounts + BASE_MEMORY + WEBHOOK_MEMORY * webhooks


def inbox_bytes(settings: Settings) -> int:
    """Return how large all inboxes together may become. Disabled accounts count: they may be enabled tomorrow."""
    return sum(account.mail.keep_bytes for account in settings.accounts.values())


def shortfalls(settings: Settings, limits: Limits) -> list[str]:
    """Return a sentence, with the numbers, for each limit that will not hold the enabled accounts."""
    need = _need(settings)
    return [
        *_files(need.accounts, limits),
        *_tasks(need.accounts, need.tasks, limits),
        *(sentence for limit in limits.memory for sentence in _memory(need.accounts, need.memory, limit)),
        *_disk(settings, limits),
        *_state_disk(settings, limits),
        *_pipes(need.accounts, limits),
    ]


class Growth(NamedTuple):
    """What a running fleet would lack after a change of its file, as sentences with the numbers."""

    refusals: list[str]
    """Open files and processes: without them starts fail, of the accounts that run already too."""
    warnings: list[str]
    """Memory: what is free changes by the minute."""


def growth(old: Settings, new: Settings, limits: Limits) -> Growth:
    """Return what is lacking for `new` on a machine that runs `old`. Where no more is needed nothing is."""
    before, need = _need(old), _need(new)
    refusals: list[str] = []
    if need.accounts > before.accounts:
        refusals += _files(need.accounts, limits)
    if need.tasks > before.tasks:
        refusals += _tasks(need.accounts, need.tasks, limits)
    warnings: list[str] = []
    for limit in limits.memory if need.memory > before.memory else ():
        # What is free comes on top of what the fleet has by now; the other limits are for all of it.
        has = before if limit.where == _FREE_MEMORY else _Need(0, 0, 0)
        warnings += _memory(need.accounts - has.accounts, need.memory - has.memory, limit)
    return Growth(refusals, warnings)


class _Need(NamedTuple):
    accounts: int
    """Enabled ones."""
    tasks: int
    memory: int
    """Bytes."""


def _need(settings: Settings) -> _Need:
    enabled = [account for account in settings.accounts.values() if account.enabled]
    hooks = settings.refresh.max_concurrent if settings.refresh.command else 0
    handlers = sum(account.handler is not None for account in enabled)
    webhooks = any(account.webhook is not None for account in enabled)
    return _Need(
        len(enabled),
        tasks_needed(len(enabled), hooks, handlers, webhooks=webhooks),
        memory_needed(len(enabled), webhooks=webhooks),
    )


def _files(accounts: int, limits: Limits) -> Iterator[str]:
    need = max(fds_needed(accounts), forkserver_fds_needed(accounts))
    if limits.files is not None and limits.files < need:
        yield _(
            "open files: %(need)s needed for %(accounts)s accounts, %(most)s allowed (ulimit -Hn); "
            "raise LimitNOFILE= of the service, or nofile in /etc/security/limits.conf"
        ) % {"need": need, "accounts": accounts, "most": limits.files}


def _tasks(accounts: int, need: int, limits: Limits) -> Iterator[str]:
    for limit in limits.tasks:
        if limit.most < need:
            yield _(
                "processes and threads: %(need)s needed for %(accounts)s accounts, "
                "%(most)s allowed by %(where)s; raise it"
            ) % {"need": need, "accounts": accounts, "most": limit.most, "where": limit.where}


def _memory(accounts: int, need: int, limit: Allowance) -> Iterator[str]:
    if limit.most < need:
        text = _(
            "memory: %(need)s MiB needed for %(accounts)s accounts, %(most)s MiB by %(where)s; "
            "add memory, or use fewer accounts"
        )
        yield text % {
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


def _state_disk(settings: Settings, limits: Limits) -> Iterator[str]:
    need = inbox_bytes(settings)
    if limits.state_disk is not None and limits.state_disk.most < need:
        yield _(
            "disk: the messages may take %(need)s MB, %(most)s MB are free at %(where)s; "
            "lower keep_bytes, or move fleet.state_dir"
        ) % {"need": need // 1_000_000, "most": limits.state_disk.most // 1_000_000, "where": limits.state_disk.where}


def _pipes(accounts: int, limits: Limits) -> Iterator[str]:
    need = accounts * _PIPES_PER_ACCOUNT * _PAGES_PER_PIPE
    if limits.pipe_pages is not None and limits.pipe_pages < need:
        yield _(
            "pipes: %(need)s pages needed for %(accounts)s accounts, "
            "%(most)s allowed by fs.pipe-user-pages-hard; raise it"
        ) % {"need": need, "accounts": accounts, "most": limits.pipe_pages}


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
    free = _meminfo(proc, _FREE_MEMORY)
    if free is not None:
        yield Allowance(_FREE_MEMORY, free)


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
