"""Room for logs: the worst case in bytes, and how `log.total` is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.config.log_budget import HOOK_LOG_BYTES, LogRoom, least_log_total, log_bytes
from xyfleet.supervisor.login_hook import log as hook_log
from xyfleet.supervisor.settings import Account, Fleet, Log, Refresh, Settings


def settings(accounts: int, log: Log, *, hook: bool = False) -> Settings:
    """Return the settings of a fleet with this many accounts."""
    return Settings(
        path=Path("/a.yml"),
        fleet=Fleet(name="a", state_dir=Path("/s"), log=log),
        refresh=Refresh(command=("/bin/true",) if hook else None),
        accounts={str(n): Account(name=str(n), where="a:1") for n in range(accounts)},
    )


LOGS = Path("/s/logs")


def test_few_accounts_have_what_the_file_says() -> None:
    """Below the total, each file may have `max_bytes`."""
    assert log_bytes(settings(10, Log(dir=LOGS))) == LogRoom(2_000_000, 10 * 2 * 2_000_000)


def test_many_accounts_share_the_total() -> None:
    """2,000 accounts with one backup each share 2 GB: 500 kB a file."""
    assert log_bytes(settings(2000, Log(dir=LOGS))) == LogRoom(500_000, 2_000_000_000)


def test_hook_logs_come_on_top() -> None:
    """With a hook each account may have its log too, of the size that the hook's log really has."""
    without, with_hook = (log_bytes(settings(3, Log(dir=LOGS), hook=hook)) for hook in (False, True))

    assert with_hook.worst_case - without.worst_case == 3 * HOOK_LOG_BYTES
    assert HOOK_LOG_BYTES == 2 * hook_log.MAX_FILE


def test_no_folder_no_bytes() -> None:
    """Logs to standard output take no room here."""
    assert log_bytes(settings(10, Log(dir=None), hook=True)).worst_case == 0


def test_no_accounts_no_division() -> None:
    """An empty fleet has room."""
    assert log_bytes(settings(0, Log(dir=LOGS))).per_file == 2_000_000


@given(st.integers(1, 50), st.integers(1000, 10**7), st.integers(0, 5), st.integers(0, 10**9))
def test_the_total_is_kept(accounts: int, max_bytes: int, backups: int, total: int) -> None:
    """The files never come to more than the total, nor one to more than its own most."""
    room = log_bytes(settings(accounts, Log(dir=LOGS, max_bytes=max_bytes, backups=backups, total=total)))

    assert room.per_file <= max_bytes
    assert room.worst_case <= total


@pytest.mark.parametrize(("log", "least"), [(Log(), 3 * 2 * 10_000), (Log(max_bytes=1000, backups=0), 3 * 1000)])
def test_the_least_total(log: Log, least: int) -> None:
    """The least total gives every file 10,000 bytes, or the fewer it may have."""
    assert least_log_total(settings(3, log)) == least
