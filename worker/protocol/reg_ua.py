"""The `ua` header of `/reg`: the browser's own user agent, and what the web page's SDK reads out of it. Pure.

Captured for Chrome on Windows and macOS (SDK 2.2.0); the rows for other browsers and systems follow the names that the
SDK's parser gives them, and were not seen on the wire.
"""

from __future__ import annotations

import re
from typing import Final

SDK: Final = "2.2.0"
_NO_NAME: Final = "other/other"
_WINDOWS: Final = {"10.0": "10", "6.3": "8.1", "6.2": "8", "6.1": "7", "6.0": "Vista", "5.1": "XP"}
_SYSTEMS: Final = (
    (re.compile(r"Windows NT ([\d.]+)"), "Windows"),
    (re.compile(r"Android ([\d.]+)"), "Android"),
    (re.compile(r"Mac OS X ([\d._]+)"), "Mac OS"),
    (re.compile(r"Linux()"), "Linux"),
)
_BROWSERS: Final = (
    (re.compile(r"\bEdg/([\d.]+)"), "Edge"),
    (re.compile(r"\bHeadlessChrome/([\d.]+)"), "Chrome Headless"),
    (re.compile(r"\b(?:Chrome|CriOS)/([\d.]+)"), "Chrome"),
    (re.compile(r"\bFirefox/([\d.]+)"), "Firefox"),
    (re.compile(r"\bVersion/([\d.]+).*\bSafari/"), "Safari"),
)
"""The first that fits: Edge names Chrome too."""


def reg_ua(user_agent: str) -> str:
    """Return the whole header."""
    names = f"OS({_system(user_agent)}) Browser({_browser(user_agent)})"
    return f"{user_agent} DingTalk({SDK}) {names} DingWeb/{SDK} IMPaaS DingWeb/{SDK}"


def _system(user_agent: str) -> str:
    for pattern, name in _SYSTEMS:
        if found := pattern.search(user_agent):
            version = found[1].replace("_", ".")
            version = _WINDOWS.get(version, version) if name == "Windows" else version
            return f"{name}/{version or 'other'}"
    return _NO_NAME


def _browser(user_agent: str) -> str:
    for pattern, name in _BROWSERS:
        if found := pattern.search(user_agent):
            return f"{name}/{found[1]}"
    return _NO_NAME
