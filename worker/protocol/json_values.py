"""Foreign JSON values, taken by type: what is not of the wanted type is nothing, never an error. Pure."""

from __future__ import annotations

from typing import Any, Final

Json = dict[str, Any]
_DOMAIN: Final = "@goofish"
LONGEST_ID: Final = 200
"""Characters; ids are held in memory for as long as their messages wait."""
_DIGITS: Final = 19
_BEYOND: Final = 2**63
"""From here on SQLite has no whole numbers: who writes to an account could keep its messages from being stored."""
_LAST_MS: Final = 253_402_300_799_999
"""The end of the year 9999; later times have no RFC 3339 form."""


def as_dict(value: object) -> Json:
    """Return an object, empty where there is none."""
    return value if isinstance(value, dict) else {}


def as_text(value: object) -> str:
    """Return a text, empty where there is none."""
    return value if isinstance(value, str) else ""


def is_address(value: object) -> bool:
    """Tell whether it is the id of a conversation or a user as the wire writes it."""
    return isinstance(value, str) and value.endswith(_DOMAIN)


def as_id(value: object, *, cut: bool = True) -> str | None:
    """Return an id as text; some clients show them as numbers. What is too long to be one is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    text = as_text(value)
    if len(text) > LONGEST_ID:
        return None
    return (text.removesuffix(_DOMAIN) if cut else text) or None


def as_int(value: object) -> int | None:
    """Return a whole number, also where it is written as text; one that no file takes is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
        value = int(value)
    fits = isinstance(value, int) and not isinstance(value, bool) and -_BEYOND <= value < _BEYOND
    return int(value) if fits and isinstance(value, int) else None


def as_ms(value: object) -> int | None:
    """Return a time in milliseconds, if it can be one."""
    ms = int(value) if isinstance(value, float) and abs(value) <= _LAST_MS else as_int(value)
    return ms if ms is not None and 0 < ms <= _LAST_MS else None
