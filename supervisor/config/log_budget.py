"""How large log files may become, so that those of all accounts stay below `log.total`. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from xyfleet.supervisor.settings import Settings

HOOK_LOG_BYTES: Final = 2 * 512 * 1024
"""Most bytes of `<account>.hook.log` and its older file (`xyfleet.supervisor.login_hook.log`)."""
MIN_LOG_BYTES: Final = 10_000
"""A log file smaller than this, some 80 lines, helps nobody."""


class LogRoom(NamedTuple):
    """Bytes for log files."""

    per_file: int
    """Most bytes of one `<account>.log`: `log.max_bytes`, or less where `log.total` demands it."""
    worst_case: int
    """All log files of all accounts at their largest, the hook's too; 0 when logs go to standard output."""


def log_bytes(settings: Settings) -> LogRoom:
    """Return how large the log files may become. Disabled accounts count: they may be enabled tomorrow."""
    log, accounts = settings.fleet.log, max(1, len(settings.accounts))
    files = accounts * (1 + log.backups)
    per_file = min(log.max_bytes, log.total // files)
    if log.dir is None:
        return LogRoom(per_file, 0)
    hooks = accounts * HOOK_LOG_BYTES if settings.refresh.command else 0
    return LogRoom(per_file, files * per_file + hooks)


def least_log_total(settings: Settings) -> int:
    """Return the least sensible `log.total`, bytes."""
    log = settings.fleet.log
    return len(settings.accounts) * (1 + log.backups) * min(MIN_LOG_BYTES, log.max_bytes)
