"""What a fleet needs, and sentences with numbers where what the machine allows falls short."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from xyfleet.supervisor.config.capacity import (
    fds_needed,
    forkserver_fds_needed,
    inbox_bytes,
    memory_needed,
    shortfalls,
    tasks_needed,
)
from xyfleet.supervisor.config.machine_limits import Allowance, Limits
from xyfleet.supervisor.settings import Account, Fleet, Log, Mail, Refresh, Settings, Webhook
from xyfleet.worker.secret import Secret

MIB = 1024**2


def settings(accounts: int, *, hook: bool = False, disabled: int = 0) -> Settings:
    """Return the settings of a fleet with this many accounts, some of them disabled."""
    return Settings(
        path=Path("/a.yml"),
        fleet=Fleet(name="a", state_dir=Path("/s"), log=Log(dir=Path("/s/logs"))),
        refresh=Refresh(command=("/bin/true",) if hook else None),
        accounts={str(n): Account(name=str(n), where="a:1", enabled=n >= disabled) for n in range(accounts)},
    )


def test_the_needs() -> None:
    """The formulas: four files per account, three tasks, 8 MiB, and what the fleet itself takes."""
    assert fds_needed(1000) == 4304
    assert forkserver_fds_needed(1000) == 1032
    assert tasks_needed(1000, 3) == 3038
    assert tasks_needed(1000, 3, 200, webhooks=True) == 3246
    assert memory_needed(1000) == 8150 * MIB
    assert memory_needed(1000, webhooks=True) == 8198 * MIB


def test_a_machine_without_limits_has_no_shortfall() -> None:
    """What is unknown or unlimited is no reason to worry."""
    assert shortfalls(settings(5000), Limits()) == []


def test_exactly_enough_is_enough() -> None:
    """The need itself is allowed; one less falls short, once for each limit."""
    enough = {
        "files": fds_needed(100),
        "tasks": tasks_needed(100, 0),
        "memory": memory_needed(100),
        "disk": 100 * 2 * 2_000_000,
        "state": 100 * 100_000_000,
        "pipes": 100 * 3 * 2,
    }

    def limits(less: int) -> Limits:
        return Limits(
            files=enough["files"] - less,
            tasks=(Allowance("t", enough["tasks"] - less),),
            memory=(Allowance("m", enough["memory"] - less),),
            disk=Allowance("d", enough["disk"] - less),
            state_disk=Allowance("d", enough["state"] - less),
            pipe_pages=enough["pipes"] - less,
        )

    assert shortfalls(settings(100), limits(0)) == []
    assert [text.partition(":")[0] for text in shortfalls(settings(100), limits(1))] == [
        "open files",
        "processes and threads",
        "memory",
        "disk",
        "disk",
        "pipes",
    ]


def test_sentences_hold_the_numbers() -> None:
    """Need, accounts, what is allowed, by what, and the remedy."""
    limits = Limits(
        files=1024,
        tasks=(Allowance("pids.max", 100), Allowance("kernel.pid_max", 32768)),
        memory=(Allowance("memory.max", 512 * MIB),),
        disk=Allowance("/s", 5_000_000),
        state_disk=Allowance("/s", 5_000_000),
        pipe_pages=64,
    )

    assert shortfalls(settings(200), limits) == [
        "open files: 1104 needed for 200 accounts, 1024 allowed (ulimit -Hn); "
        "raise LimitNOFILE= of the service, or nofile in /etc/security/limits.conf",
        "processes and threads: 626 needed for 200 accounts, 100 allowed by pids.max; raise it",
        "memory: 1750 MiB needed for 200 accounts, 512 MiB by memory.max; add memory, or use fewer accounts",
        "disk: the logs may take 800 MB, 5 MB are free at /s; lower fleet.log.total, or move fleet.log.dir",
        "disk: the messages may take 20000 MB, 5 MB are free at /s; lower keep_bytes, or move fleet.state_dir",
        "pipes: 1200 pages needed for 200 accounts, 64 allowed by fs.pipe-user-pages-hard; raise it",
    ]


def test_only_enabled_accounts_and_real_hooks_count() -> None:
    """A disabled account has no worker; hooks take tasks only where there is one."""
    limits = Limits(tasks=(Allowance("t", tasks_needed(10, 0)),))

    assert shortfalls(settings(30, disabled=20), limits) == []
    assert shortfalls(settings(30, disabled=20, hook=True), limits)


def test_handlers_and_webhooks_count() -> None:
    """A handler is a thread more for its account; one webhook is a process more for the fleet."""
    plain = settings(3)
    account = plain.accounts["0"]
    handled = {**plain.accounts, "0": structs.replace(account, handler="m:f")}
    hooked = {**plain.accounts, "0": structs.replace(account, webhook=Webhook(url=Secret("http://h/")))}
    limits = Limits(tasks=(Allowance("t", tasks_needed(3, 0)),), memory=(Allowance("m", memory_needed(3)),))

    assert shortfalls(plain, limits) == []
    assert len(shortfalls(structs.replace(plain, accounts=handled), limits)) == 1
    assert len(shortfalls(structs.replace(plain, accounts=hooked), limits)) == 2


def test_every_inbox_counts() -> None:
    """Also a disabled account's, each with its own limit."""
    two = settings(2, disabled=1)
    small = structs.replace(two.accounts["0"], mail=Mail(keep_bytes=1_000_000))

    assert inbox_bytes(structs.replace(two, accounts={**two.accounts, "0": small})) == 101_000_000
