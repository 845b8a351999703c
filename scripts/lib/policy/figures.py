"""What a month costs, counted. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

COLUMNS: Final = (
    "logins",
    "needless logins",
    "most logins an account and day",
    "token calls",
    "most token calls in a second",
    "dials",
    "most dials in a second",
    "dark minutes a shop",
    "of them by the way or the platform",
    "dark minutes of the worst shop",
    "waits for a person",
    "outages",
)


@dataclass(slots=True)
class Figures:
    """Counts of one month in one layout."""

    accounts: int
    logins: int = 0
    needless: int = 0
    """Logins of accounts whose login was good, or would have been again."""
    by_day: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Logins by account and day."""
    calls: Counter[int] = field(default_factory=Counter)
    """Token calls by second."""
    dials: Counter[int] = field(default_factory=Counter)
    dark: dict[int, float] = field(default_factory=dict)
    """Seconds by account."""
    barred: float = 0.0
    """Seconds in which no supervisor could have connected, over all accounts."""
    persons: int = 0
    outages: int = 0

    def row(self) -> dict[str, Any]:
        """Return the figures by the name of their column."""
        shops = max(1, self.accounts)
        values = (
            self.logins,
            self.needless,
            max(self.by_day.values(), default=0),
            self.calls.total(),
            max(self.calls.values(), default=0),
            self.dials.total(),
            max(self.dials.values(), default=0),
            round(sum(self.dark.values()) / shops / 60, 1),
            round(self.barred / shops / 60, 1),
            round(max(self.dark.values(), default=0.0) / 60),
            self.persons,
            self.outages,
        )
        return dict(zip(COLUMNS, values, strict=True))


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Return a Markdown table, a column for each layout."""
    head = [f"| | {' | '.join(rows)} |", "|---|" + "---:|" * len(rows)]
    lines = [f"| {name} | {' | '.join(str(row[name]) for row in rows.values())} |" for name in COLUMNS]
    return "\n".join([*head, *lines]) + "\n"
