"""Numbers, sizes and truth values from their raw text, read as a person means them. Pure."""

from __future__ import annotations

import math
import re
from typing import Final

from xyfleet.supervisor.common.i18n import _

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_DURATION: Final = re.compile(
    r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(ms|毫秒|s|secs?|秒|m|min|分钟?|h|小时|d|天)", re.IGNORECASE
)
_SECONDS: Final = {"m": 0.001, "毫": 0.001, "s": 1, "秒": 1, "分": 60, "h": 3600, "小": 3600, "d": 86400, "天": 86400}
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s?(?:([KMGT])(i?))?(B?)", re.IGNORECASE)
_TRUE: Final = frozenset(("true", "yes", "on"))
_FALSE: Final = frozenset(("false", "no", "off"))


def read_number(text: str, *, whole: bool) -> tuple[float | None, str]:
    """Return the number, always read as decimal (`015` is 15); or None and the remedy."""
    text = text.strip()
    if len(text) <= 40 and (_WHOLE if whole else _NUMBER).fullmatch(text):
        value = int(text) if whole else float(text)
        if math.isfinite(value):
            return value, ""
    duration = _DURATION.fullmatch(text)
    if duration and not whole:
        return None, _("durations are plain numbers of seconds: %(seconds).12g") % {"seconds": _in_seconds(duration)}
    return None, _("write a number such as 30")


def _in_seconds(match: re.Match[str]) -> float:
    unit = match[2].lower()
    factor = 60 if unit in ("m", "min") else _SECONDS[unit[0]]
    return float(match[1]) * factor


def read_size(text: str) -> int | None:
    """Return the bytes of `200MB` (millions), `64MiB` (of 1,048,576) or `1048576`; None when it is none of these."""
    match = _SIZE.fullmatch(text.strip())
    if not match or (match[2] and not match[4]):
        return None
    base = 1024 if match[3] else 1000
    power = " KMGT".index(match[2].upper()) if match[2] else 0
    return int(float(match[1]) * base**power)


def read_bool(text: str) -> bool | None:
    """Return the truth value, with the words that YAML 1.1 knows; None for any other."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    return False if word in _FALSE else None
