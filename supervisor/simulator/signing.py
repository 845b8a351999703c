"""Access tokens and signing cookies that say themselves for whom and when they were made. Pure.

So those on a client's disk stay good when the gateway is started again: it remembers none of them. They prove nothing
to anybody else; the salt is public.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Final

import msgspec

APP_KEY_IM: Final = "444e9908a51d1cb236a27862abc769c9"
APP_KEY_MTOP: Final = "34839810"
DEVICE_ID: Final = re.compile(r"[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}-(?P<unb>\d+)")
SIGN_LIFE: Final = 7 * 86400
"""Seconds until the time that a signing cookie names as its end."""


def _md5(*parts: object) -> bytes:
    return hashlib.md5("&".join(map(str, ("xyfleet simulator", *parts))).encode(), usedforsecurity=False).digest()


class Stamps:
    """Wall time in microseconds that never stands still, so that no two things are issued at one time."""

    def __init__(self, offset: float) -> None:
        self._offset = offset
        self._last = 0

    def next(self, now: float) -> int:
        """Return the stamp for the monotonic time `now`."""
        self._last = max(self._last + 1, int((now + self._offset) * 1e6))
        return self._last

    def monotonic(self, stamp: int) -> float:
        """Return the monotonic time of a stamp, also of one that an earlier gateway gave."""
        return stamp / 1e6 - self._offset


class Token(msgspec.Struct, frozen=True):
    """What an access token says."""

    unb: str
    session: str
    """Fingerprint of the login that it was issued to."""
    issued: int
    """Stamp."""
    expires: int
    digest: str

    def made_for(self, device_id: str) -> bool:
        """Tell whether this gateway made it for this device id."""
        return self.digest == _digest(self, device_id)


def _digest(token: Token, device_id: str) -> str:
    seal = _md5(token.unb, token.session, token.issued, token.expires, device_id)
    return base64.b64encode(seal).decode()


def issue_token(unb: str, session: str, device_id: str, issued: int, life: float) -> str:
    """Return a new token, good for `life` seconds; as the real one's, its text may hold `+`, `/` and `=`."""
    blank = Token(unb, session, issued, issued + int(life * 1e6), "")
    return f"sim-{unb}-{session}-{blank.issued:x}-{blank.expires:x}-{_digest(blank, device_id)}"


def read_token(text: object) -> Token | None:
    """Return what a token says, or None when it is not one of ours."""
    parts = text.split("-", 5) if isinstance(text, str) else []
    if len(parts) != 6 or parts[0] != "sim" or not parts[1].isdigit():
        return None
    try:
        return Token(parts[1], parts[2], int(parts[3], 16), int(parts[4], 16), parts[5])
    except ValueError:
        return None


def fingerprint(session: str) -> str:
    """Return a short text that stands for a login (a `cookie2` value)."""
    return _md5(session).hex()[:12]


def issue_sign_cookie(unb: str, issued: int) -> dict[str, str]:
    """Return the two cookies that a mtop server sets for signing."""
    seal = _md5("sign", unb, issued).hex()
    key = f"{issued:016x}{seal[:16]}"
    return {"_m_h5_tk": f"{key}_{issued // 1000 + SIGN_LIFE * 1000}", "_m_h5_tk_enc": seal}


def read_sign_cookie(unb: str, value: str) -> int | None:
    """Return the stamp of a signing cookie, or None when it was never issued to this account."""
    key = value.partition("_")[0]
    try:
        issued = int(key[:16], 16)
    except ValueError:
        return None
    return issued if issue_sign_cookie(unb, issued)["_m_h5_tk"].startswith(f"{key}_") else None


def sign(key: str, t: str, data: str) -> str:
    """Return the signature that a call must carry."""
    text = f"{key}&{t}&{APP_KEY_MTOP}&{data}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def read_cookies(header: str) -> dict[str, str]:
    """Split a `Cookie` header; parts without `=` are left out."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: value for name, equals, value in pairs if equals}


def set_cookies(cookies: Mapping[str, str], domain: str | None = None) -> list[str]:
    """Return the `Set-Cookie` lines ; without a domain they are the host's own, as a jar at 127.0.0.1 needs."""
    scope = "" if domain is None else f"Domain={domain}; "
    return [f"{name}={value}; {scope}Path=/; Max-Age={SIGN_LIFE}" for name, value in cookies.items()]
