"""What foreign text must be before a person or a log sees it: one line, printable, cut. Pure."""

from __future__ import annotations

from typing import Final

MAX_REASON: Final = 200
"""Most characters of a reason; longer ones are cut."""


def cut(reason: str) -> str:
    """Return `reason` as one line of printable characters, at most `MAX_REASON` of them; servers write into it."""
    line = reason
    if not line.isprintable():
        line = " ".join("".join(char if char.isprintable() else " " for char in reason).split())
    return line if len(line) <= MAX_REASON else line[: MAX_REASON - 1] + "…"
