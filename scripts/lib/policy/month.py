"""The scripted month: what goes wrong, when, and for whom. Pure.

Hours count from the beginning. Each kind of trouble was reported from a fleet, or is what a constant was chosen for.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

HOUR: Final = 3600.0
DAY: Final = 86_400.0
LAYOUTS: Final = {
    "direct": "all by the machine's own address",
    "ten": "10 proxies of one owner each",
    "each": "one proxy per account, one owner each",
    "provider": "one proxy per account, all of one provider",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One trouble from `begin` to `end` (seconds)."""

    begin: float
    end: float
    kind: str
    share: float = 1.0
    """Of the accounts or ways that are struck."""


@dataclass(frozen=True, slots=True)
class Month:
    """All troubles, and how often an account has its own."""

    days: float
    troubles: list[Trouble]
    drop_every: float = 24 * HOUR
    """Mean seconds between two ordinary drops of an account."""
    death_every: float = 25 * DAY
    """Mean seconds between two ends of a login."""
    hook_good: float = 0.85
    hook_person: float = 0.02
    """Shares of the hook's runs that bring a login, and that want a person (who comes 3 hours later)."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.days * DAY


def _day(day: float, hour: float) -> float:
    return day * DAY + hour * HOUR


def scripted(days: float = 30.0) -> Month:
    """Return the month, or its first days with everything that belongs to them moved in."""
    troubles = [
        Trouble(_day(1, 10), _day(1, 10) + 60, "three_logins_die"),
        Trouble(_day(3, 14), _day(3, 16), "first_way_dead"),
        Trouble(_day(6, 20), _day(6, 20.4), "platform_silent"),
        Trouble(_day(8, 4), _day(8, 4) + 1, "all_dropped"),
        Trouble(_day(11, 3), _day(11, 3.75), "all_expired"),
        Trouble(_day(14, 9), _day(14, 9.2), "logins_die", 0.4),
        Trouble(_day(17, 0), _day(17, 6), "ways_flap"),
        Trouble(_day(20, 13), _day(20, 14), "many_ways_dead", 0.3),
        Trouble(_day(22, 18), _day(22, 19), "risk", 0.05),
        Trouble(_day(24, 11), _day(24, 11.5), "token_calls_fail", 0.1),
        Trouble(_day(26, 2), _day(26, 10), "platform_silent"),
        Trouble(_day(28, 3), _day(28, 9), "all_expired"),
    ]
    if days < 30:
        squeeze = days / 30
        moved = [(one, one.begin * squeeze) for one in troubles]
        troubles = [Trouble(at, at + (one.end - one.begin) * squeeze, one.kind, one.share) for one, at in moved]
    return Month(days, troubles)


@dataclass(slots=True)
class Ways:
    """Which ways work, and what the platform says."""

    dead: set[int] = field(default_factory=set)
    silent: bool = False
    """The platform can't be reached."""
    expired: bool = False
    """It says of every login that it has expired."""
    failing: bool = False
    """Token calls end with 502."""

    def reaches(self, way: int) -> bool:
        """Whether the platform is reached by this way."""
        return not self.silent and way not in self.dead


def way_of(index: int, layout: str) -> int:
    """Return the way out of an account."""
    return 0 if layout == "direct" else index % 10 if layout == "ten" else index


def struck(ways: Iterable[int], share: float, layout: str, chance: random.Random) -> set[int]:
    """Return the ways that die together; all of a provider do."""
    found = sorted(set(ways))
    return set(found) if layout == "provider" else set(chance.sample(found, round(share * len(found))))
