"""Which browser an account shows itself as: one table, and all headers made from one line of it. Pure.

Coherence, not disguise (docs/decisions.md, "One browser per account"): the cookie was made in some browser, and what
that browser would not send together is what a server may refuse. Nothing here touches TLS or any check.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from xyfleet.worker.settings import DEFAULT_LANGUAGE, DEFAULT_USER_AGENT

Browser = Literal["chrome", "edge"]
System = Literal["windows", "macos", "linux"]

DATED: Final = "2026-11"
"""When the table was last looked at: what the newest public clients sent then."""
NEWEST: Final = 151
OLDEST: Final = 120
LATEST: Final = 250
"""Versions that may be asked for: later ones than the newest known are made by the same rule."""
LEGACY: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36"
)
"""What accounts showed themselves as before there was a choice, and do until their next login."""

_SYSTEMS: Final[dict[str, tuple[str, str]]] = {
    "windows": ("Windows NT 10.0; Win64; x64", "Windows"),
    "macos": ("Macintosh; Intel Mac OS X 10_15_7", "macOS"),
    "linux": ("X11; Linux x86_64", "Linux"),
}
"""In the user agent, and in `sec-ch-ua-platform`. Windows 11 and newer macOS say these very words."""
_BRANDS: Final[dict[str, str]] = {"chrome": "Google Chrome", "edge": "Microsoft Edge"}
_GREASE: Final = " (:-./);=?_"
_GREASE_VERSIONS: Final = ("8", "99", "24")
_ORDERS: Final = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
_USER_AGENT: Final = re.compile(r"[ -~]{1,512}")


class Identity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A browser as servers see it."""

    user_agent: str
    brands: str = ""
    """`sec-ch-ua`; empty: not known, so none of the three `sec-ch-ua` headers is sent."""
    platform: str = ""
    """`sec-ch-ua-platform`."""
    language: str = DEFAULT_LANGUAGE
    """`accept-language`."""
    table: str = ""
    """Date of the table that it is from; empty: the user agent was given as a text."""

    def headers(self) -> dict[str, str]:
        """Return what names the browser in each request; the hints only where the table knows them."""
        hints = {"sec-ch-ua": self.brands, "sec-ch-ua-mobile": "?0", "sec-ch-ua-platform": self.platform}
        found = {"accept-language": self.language, "user-agent": self.user_agent}
        return found | hints if self.brands else found


def made(
    browser: Browser = "chrome", version: int = NEWEST, os: System = "windows", language: str = "zh-CN"
) -> Identity:
    """Return the identity of a browser; all of Chromium's kind have the same form."""
    platform, name = _SYSTEMS[os]
    agent = f"Mozilla/5.0 ({platform}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    return Identity(
        user_agent=agent + (f" Edg/{version}.0.0.0" if browser == "edge" else ""),
        brands=brands(_BRANDS[browser], version),
        platform=f'"{name}"',
        language=accept_language(language),
        table=DATED,
    )


def brands(brand: str, version: int) -> str:
    """Return `sec-ch-ua` by Chromium's own rule (captures of 146 and 147 agree with it)."""
    number = len(_GREASE)
    odd = f"Not{_GREASE[version % number]}A{_GREASE[(version + 1) % number]}Brand"
    places = [""] * 3
    values = ((odd, _GREASE_VERSIONS[version % 3]), ("Chromium", str(version)), (brand, str(version)))
    for place, (name, said) in zip(_ORDERS[version % len(_ORDERS)], values, strict=True):
        places[place] = f'"{name}";v="{said}"'
    return ", ".join(places)


def accept_language(language: str) -> str:
    """Return what a browser with this one language sends: `zh-CN` is `zh-CN,zh;q=0.9`."""
    short = language.partition("-")[0]
    return language if short == language else f"{language},{short};q=0.9"


def raw(user_agent: str) -> Identity | None:
    """Return the identity of a user agent given as a text, without what only a table knows; None if it is none."""
    return Identity(user_agent=user_agent) if _USER_AGENT.fullmatch(user_agent) else None


DEFAULT: Final = made()
assert DEFAULT.user_agent == DEFAULT_USER_AGENT, "what a worker shows when nothing is said"
