"""Which browser a user agent names, in words that a person finds again on his screen. Pure."""

from __future__ import annotations

import functools
import re
from typing import Final

_BROWSERS: Final = (
    (re.compile(r"\bEdg/(\d+)"), "Edge"),
    (re.compile(r"\bHeadlessChrome/(\d+)"), "Chrome"),
    (re.compile(r"\b(?:Chrome|CriOS)/(\d+)"), "Chrome"),
    (re.compile(r"\bFirefox/(\d+)"), "Firefox"),
    (re.compile(r"\bVersion/(\d+)[\d.]* .*\bSafari/"), "Safari"),
)
"""The first that fits: Edge names Chrome too."""
_SYSTEMS: Final = (("Windows NT", "Windows"), ("Android", "Android"), ("Mac OS X", "macOS"), ("Linux", "Linux"))


@functools.lru_cache(maxsize=256)  # a fleet has a few, and `status` asks for each account
def browser_name(user_agent: str) -> str | None:
    """Return a browser, its version and its system, such as `Chrome 133 (Windows)`; None where it is none known."""
    for pattern, name in _BROWSERS:
        found = pattern.search(user_agent)
        if found:
            system = next((words for sign, words in _SYSTEMS if sign in user_agent), None)
            return f"{name} {found[1]}" + (f" ({system})" if system else "")
    return None
