"""What a running fleet may grow to: files and processes are a condition, memory is a warning."""

from __future__ import annotations

from pathlib import Path

from xyfleet.supervisor.config.capacity import Growth, fds_needed, growth, tasks_needed
from xyfleet.supervisor.config.machine_limits import Allowance, Limits
from xyfleet.supervisor.settings import Account, Fleet, Settings

MIB = 1024**2
TIGHT = Limits(files=fds_needed(10), tasks=(Allowance("pids.max", tasks_needed(10, 0)),))


def settings(accounts: int, *, disabled: int = 0) -> Settings:
    """Return a fleet of so many accounts, some of them disabled."""
    names = [str(number) for number in range(accounts)]
    listed = {name: Account(name=name, where="a:1", enabled=int(name) >= disabled) for name in names}
    return Settings(path=Path("/a.yml"), fleet=Fleet(name="a", state_dir=Path("/s")), accounts=listed)


def test_growth_within_the_limits() -> None:
    """As many as the limits hold, disabled ones not counted, may come."""
    assert growth(settings(1), settings(10), TIGHT) == Growth([], [])
    assert growth(settings(1), settings(30, disabled=20), TIGHT) == Growth([], [])
    assert growth(settings(1), settings(1000), Limits()) == Growth([], [])


def test_growth_beyond_them_is_refused_with_the_numbers() -> None:
    """One account too many: a sentence for each limit (finding 4)."""
    refusals, warnings = growth(settings(1), settings(11), TIGHT)
    assert [text.partition(";")[0] for text in refusals] == [
        "open files: 348 needed for 11 accounts, 344 allowed (ulimit -Hn)",
        "processes and threads: 59 needed for 11 accounts, 56 allowed by pids.max",
    ]
    assert warnings == []


def test_a_fleet_that_is_too_large_already_may_shrink() -> None:
    """What needs no more than runs by now is no growth: a label can be changed, accounts can go."""
    assert growth(settings(20), settings(20), TIGHT) == Growth([], [])
    assert growth(settings(20), settings(15), TIGHT) == Growth([], [])


def test_memory_warns() -> None:
    """What is free must hold the added accounts only; a limit for all of it must hold all."""
    free = Limits(memory=(Allowance("MemAvailable", 80 * MIB),))
    assert growth(settings(100), settings(110), free) == Growth([], [])
    refusals, (warning,) = growth(settings(100), settings(111), free)
    assert refusals == []
    assert warning.startswith("memory: 88 MiB needed for 11 accounts, 80 MiB by MemAvailable;")
    group = Limits(memory=(Allowance("memory.max", 900 * MIB),))
    assert growth(settings(90), settings(95), group).warnings[0].startswith("memory: 910 MiB needed for 95 accounts")
