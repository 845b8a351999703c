"""The table of what came of each machine. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HEAD = (
    "| system | its Python | first start | the example's events | status, messages, stop | left behind | quick tests |"
)
RULE = "|---|---|---|---|---|---|---|"


def faults(found: dict[str, Any]) -> list[str]:
    """Return what is not as it must be, a sentence each."""
    told = [f"{account}: not all that the example shows happened" for account in found["missing"]]
    told += found["failed"]
    if not found["connected"]:
        told.append("status does not show all accounts connected")
    if found["start_code"]:
        told.append(f"start ended with {found['start_code']}")
    if found["left"]:
        told.append("left running: " + "; ".join(found["left"]))
    if found["tests_code"]:
        told.append("the quick tests failed:\n" + "\n".join(found["tests_said"]))
    return told


def tests(found: dict[str, Any]) -> str:
    """Return what came of the quick tests."""
    text = found["tests"] + (f"; alone: {found['again']}" if found["again"] else "")
    return f"**{text}**" if found["tests_code"] else text


def row(suite: str, found: dict[str, Any]) -> str:
    """Return a machine's row."""
    commands = "as they should" if found["connected"] and not found["failed"] and not found["start_code"] else "**no**"
    cells = (
        found["system"] if suite in found["system"] else f"{found['system']}, {suite}",
        found["python"],
        f"{found['first_start']:.0f} s",
        f"**not of {', '.join(found['missing'])}**" if found["missing"] else "all",
        commands,
        f"**{len(found['left'])} processes**" if found["left"] else "nothing",
        tests(found),
    )
    return f"| {' | '.join(cells)} |"


def table(rows: Sequence[str]) -> str:
    """Return the whole table."""
    return "\n".join([HEAD, RULE, *rows]) + "\n"
