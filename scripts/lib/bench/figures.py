"""What is measured, what it should come to, and how both are printed. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

OURS: Final = "xyfleet"
"""The column that the goals are for."""
ANY: Final = 0
"""Stands for fleets of every size among a row's goals."""
DECIMALS: Final = {"s": 2, "ms": 1, "MiB": 1, "%": 2, "/s": 0, "": 0}
"""Units, and the decimals that are shown of them. `%` is of one core."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is measured."""

    key: str
    what: str
    unit: str
    goals: Mapping[int, float] = field(default_factory=dict)
    """The most that the median should be, by the number of accounts that it was set for."""
    must_be_none: bool = False
    """Whether any sample above zero is a fault of xyfleet."""


ROWS: Final = (
    Row(
        "start",
        "start: exec of the supervisor to all CONNECTED (peers: to all workers' event loops running)",
        "s",
        {200: 2.0, 1000: 8.0, 2000: 20.0},
    ),
    Row("start_cpu", "… CPU seconds of the whole fleet meanwhile", "s"),
    Row("start_gateway_cpu", "… CPU seconds of the built-in gateway meanwhile", "s"),
    Row("memory", "memory per account: PSS of a connected worker, mean", "MiB", {200: 6.0, 1000: 6.0}),
    Row("memory_p95", "… 95th percentile", "MiB"),
    Row("forkserver_rss", "memory of the forkserver: RSS", "MiB"),
    Row("supervisor_rss", "memory of the supervisor: RSS", "MiB", {1000: 80.0}),
    Row("running", "SIGKILL of a worker to its replacement running", "ms", {ANY: 20.0}),
    Row("connected", "… to CONNECTED again", "ms", {ANY: 50.0}),
    Row("status", "`status --json`, whole command", "ms", {200: 80.0, 1000: 120.0}),
    Row("status_api", "… its API call alone", "ms"),
    Row("idle", "idle CPU of the whole fleet, one core = 100 %", "%", {1000: 12.0}),
    Row("idle_supervisor", "… of the supervisor alone", "%", {1000: 2.0}),
    Row("dead", "mute connection: from its deadline to being declared dead", "ms", {ANY: 100.0}),
    Row("stop", "stop: SIGTERM to the supervisor's exit", "s", {1000: 2.0}),
    Row("unclean", "… connections that did not end with a close frame 1000", "", must_be_none=True),
    Row("orphans_supervisor", "processes left 1 s after SIGKILL of the supervisor", "", must_be_none=True),
    Row("orphans_forkserver", "old workers left 1 s after SIGKILL of the forkserver", "", must_be_none=True),
    Row("overlaps", "times that an account had two live connections", "", must_be_none=True),
)


def spread(samples: Sequence[float], unit: str) -> str:
    """Return `min / median / max unit`."""
    shown = (f"{value:.{DECIMALS[unit]}f}" for value in (min(samples), statistics.median(samples), max(samples)))
    return " / ".join(shown) + (f" {unit}" if unit else "")


def percentile(samples: Sequence[float], percent: float) -> float:
    """Return the smallest sample that at least `percent` of all do not exceed."""
    return sorted(samples)[math.ceil(len(samples) * percent / 100) - 1]


def goal_of(row: Row, accounts: int, samples: Sequence[float]) -> str:
    """Return the goal, of the nearest fleet size that has one; at the very size, whether the median meets it."""
    if row.must_be_none:
        return "0"
    if not row.goals:
        return "–"
    size = ANY if ANY in row.goals else min((s for s in row.goals if s >= accounts), default=max(row.goals))
    text = f"≤ {row.goals[size]:g} {row.unit}"
    if size not in (ANY, accounts):
        return f"{text} at {size:,} accounts"
    if not samples:
        return text
    return f"{text}: {'met' if statistics.median(samples) <= row.goals[size] else 'missed'}"


class Sheet:
    """The figures of one run of the benchmark, by column (xyfleet or a peer) and row."""

    def __init__(self, accounts: int, rows: Sequence[Row] = ROWS) -> None:
        self.accounts = accounts
        self.rows = rows
        self.columns = [OURS]
        self.notes: list[str] = []
        """What a reader of the table should know."""
        self._faults: list[str] = []
        self._samples: dict[tuple[str, str], list[float]] = {}
        self._missing: dict[tuple[str, str], str] = {}

    def add(self, key: str, *samples: float, column: str = OURS) -> None:
        """Add what was measured, in the row's unit."""
        self._samples.setdefault((column, key), []).extend(samples)

    def skip(self, why: str, *keys: str, column: str = OURS) -> None:
        """Say why there are no figures."""
        self._missing |= {(column, key): why for key in keys}

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def fail(self, text: str) -> None:
        """Something that must hold does not."""
        self._faults.append(text)

    @property
    def faults(self) -> list[str]:
        """Everything that must hold and does not; a missed goal is no fault."""
        broken = [row for row in self.rows if row.must_be_none and any(self.samples(row.key))]
        return [*self._faults, *(f"{row.what}: {max(self.samples(row.key)):g}, must be 0" for row in broken)]

    def samples(self, key: str, column: str = OURS) -> list[float]:
        """Return what was measured so far."""
        return self._samples.get((column, key), [])

    def table(self) -> str:
        """Return everything as a Markdown table."""
        head = ["what", f"{OURS}: min / median / max", "samples", "goal", *self.columns[1:]]
        lines = [head, ["---"] * len(head), *(self._line(row) for row in self.rows)]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)

    def view(self) -> list[dict[str, Any]]:
        """Return everything in a form that JSON knows."""
        return [
            {
                "key": row.key,
                "what": row.what,
                "unit": row.unit,
                "goal": goal_of(row, self.accounts, self.samples(row.key)),
                "figures": {column: self._figure(row.key, column) for column in self.columns},
            }
            for row in self.rows
        ]

    def _line(self, row: Row) -> list[str]:
        ours = self.samples(row.key)
        cells = [row.what, self._cell(row, OURS), str(len(ours)), goal_of(row, self.accounts, ours)]
        return cells + [self._cell(row, column) for column in self.columns[1:]]

    def _cell(self, row: Row, column: str) -> str:
        samples = self.samples(row.key, column)
        if samples:
            return spread(samples, row.unit)
        why = self._why_missing(row.key, column)
        return "–" if why is None else f"not measured: {why}"

    def _why_missing(self, key: str, column: str) -> str | None:
        """Return why there is no figure; None where a peer has nothing of the kind."""
        return self._missing.get((column, key), "the benchmark broke off" if column == OURS else None)

    def _figure(self, key: str, column: str) -> dict[str, Any]:
        samples = self.samples(key, column)
        if not samples:
            return {"not_measured": self._why_missing(key, column)}
        middle = statistics.median(samples)
        return {"min": min(samples), "median": middle, "max": max(samples), "samples": samples}
