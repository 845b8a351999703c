"""Prints figures as Markdown, as all long scripts do. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def table(rows: Iterable[tuple[str, object]]) -> str:
    """Return names and figures as a table; numbers with a fraction have one digit of it."""
    shown = [
        f"| {name} | {value:.1f} |" if isinstance(value, float) else f"| {name} | {value} |" for name, value in rows
    ]
    return "\n".join(["| figure | |", "|---|---|", *shown])
