"""What a run of chaos saw, for people and as JSON. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from scripts.lib.chaos.observer import Observer
from scripts.lib.chaos.promises import Broken
from scripts.lib.chaos.world import World


@dataclass
class Report:
    """The figures of a run."""

    seed: int = 0
    minutes: float = 0.0
    accounts: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    """How often each kind was made."""
    supervisors: int = 0
    """How many were started."""
    dials: int = 0
    token_calls: int = 0
    logins: int = 0
    overlaps: int = 0
    slowest_status: float = 0.0
    """Seconds, while it had to answer."""
    connected_in: float = 0.0
    """Seconds from the start to everybody's first connection."""
    settled_in: float = 0.0
    """Seconds from the last fault to the connection of the last who was not excused."""
    excused: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    """Of the account of the first promise that was broken."""
    mail: dict[str, int] = field(default_factory=dict)
    """How many messages there were, and what became of them."""
    notes: list[str] = field(default_factory=list)
    """Everything that was done, with seconds from the beginning."""

    @classmethod
    def of(
        cls,
        world: World,
        observer: Observer,
        done: Mapping[str, int],
        connected: float,
        settled: float,
        excused: dict[str, str],
    ) -> Report:
        """Gather the figures of a run that is over."""
        first = next((each.account for each in observer.broken if each.account in observer.traces), None)
        return cls(
            faults=dict(done),
            supervisors=len(world.lives),
            dials=observer.figures["dials"],
            token_calls=observer.figures["token_calls"],
            logins=len(world.hook.runs()),
            overlaps=observer.figures["overlaps"],
            slowest_status=observer.slowest,
            connected_in=connected,
            settled_in=settled,
            excused=excused,
            skipped=dict(world.skipped),
            broken=list(observer.broken),
            trace=observer.traces[first].splitlines() if first is not None else [],
            mail=world.mail.figures(),
            notes=world.notes,
        )

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return asdict(self)

    def text(self) -> str:
        """Return it as Markdown; with the first broken promise, its trace and what was done before."""
        rows: list[tuple[str, object]] = [
            ("seed", self.seed),
            ("accounts", self.accounts),
            ("minutes of faults", f"{self.minutes:g}"),
            ("faults", sum(self.faults.values())),
            ("supervisors started", self.supervisors),
            ("dials", self.dials),
            ("token calls", self.token_calls),
            ("logins", self.logins),
            ("two connections of one user", self.overlaps),
            ("slowest status, s", f"{self.slowest_status:.2f}"),
            ("all connected at the start, s", f"{self.connected_in:.1f}"),
            ("all connected after the last fault, s", f"{self.settled_in:.1f}"),
            ("waited for a person, hold, cool-down or outage then", len(self.excused)),
            *((name.replace("_", " "), count) for name, count in self.mail.items()),
            ("promises broken", len(self.broken)),
        ]
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(Counter(self.faults).items()))
        lines = [
            "| figure | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in rows),
            "",
            f"Faults: {kinds}.",
        ]
        lines += [f"- skipped: {name}: {why}" for name, why in sorted(self.skipped.items())]
        lines += [f"- **BROKEN** {each.promise}: {each.account or ''} {each.how}" for each in self.broken]
        if self.broken:
            lines += ["", "The last that was done:", *self.notes[-40:], "", "The trace:", *self.trace[-40:]]
        return "\n".join(lines) + "\n"
