"""What a fleet needs of the machine, and where what the machine allows falls short of it. Pure.

The needs are measured: docs/processes.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.config.log_budget import log_bytes
from xyfleet.supervisor.config.machine_limits import FREE_MEMORY, Allowance, Limits
from xyfleet.supervisor.settings import Settings

_MIB: Final = 1024 * 1024
ACCOUNT_MEMORY: Final = 8 * _MIB
"""Bytes per connected worker, TLS and an open inbox included; what a handler's modules take comes on top."""
WEBHOOK_MEMORY: Final = 48 * _MIB
"""Bytes for the process that calls webhooks, with many calls under way."""
BASE_MEMORY: Final = 150 * _MIB
"""Bytes for supervisor and forkserver."""
_PIPES_PER_ACCOUNT: Final = 3
"""Report, command, and the sentinel pipe of the forkserver."""
_PAGES_PER_PIPE: Final = 2
"""Least pages of a pipe (pipe(7), `PIPE_MIN_DEF_BUFFERS`)."""


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
        has = before if limit.where == FREE_MEMORY else _Need(0, 0, 0)
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
