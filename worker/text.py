"""What foreign text must be before a person or a log sees it: one line, printable, cut. Pure."""

from __future__ import annotations

from typing import Final

MAX_REASON: Final = 200
"""Most characters of a reason; longer ones are cut."""

_LONG: Final = 10**18
"""Numbers from here on are shown by their type."""


def cut(reason: str) -> str:
    """Return `reason` as one line of printable characters, at most `MAX_REASON` of them; servers write into it."""
    line = reason
    if not line.isprintable():
        line = " ".join("".join(char if char.isprintable() else " " for char in reason).split())
    return line if len(line) <= MAX_REASON else line[: MAX_REASON - 1] + "…"


def printable(text: str) -> str:
    """Return a text of several lines without what a terminal would obey (escapes, bidi controls): shown as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return "    " if char == "\t" else "" if char == "\r" else ascii(char)[1:-1]


def shown(value: object) -> str:
    """Return a foreign value for a reason or a log: what is simple as it is, all else by its type.

    Text of nested lists, or of a number of thousands of digits, can't always be had (RecursionError, ValueError).
    """
    if value is None or isinstance(value, str | bool | float):
        return cut(str(value))
    if is_number(value):
        return str(value)
    return f"({type(value).__name__})"


def is_number(value: object) -> bool:
    """Tell whether a value is a whole number (or a truth) that text, JSON and a database can hold."""
    return isinstance(value, int) and abs(value) < _LONG
