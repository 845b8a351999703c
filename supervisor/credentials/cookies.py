"""Cookies as the token call needs them: read a header's text, merge what an answer sets, write it again. Pure.

At the borders a cookie is a `Secret`; inside, a dict in the order of the header.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from xyfleet.worker.secret import Secret

IDENTITY: Final = "unb"
"""Whose login it is. No answer may change it: an account stays the account it is."""
SIGNING: Final = "_m_h5_tk"
"""`<token>_<time>`: the token signs calls, and only answers renew it."""
_FORBIDDEN: Final = re.compile(r"[^\x20-\x7e]")
_PREFIX: Final = re.compile(r"\s*cookie\s*:", re.IGNORECASE)


class InvalidCookie(Exception):
    """A text that can't be an account's cookie; `reason` says why and shows nothing of it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def parse(text: str) -> dict[str, str]:
    """Return the pairs of a `Cookie` header. Parts without a name or `=` are left out; of two equal names the last."""
    pairs = {}
    prefix = _PREFIX.match(text)
    for part in text[prefix.end() if prefix else 0 :].split(";"):
        name, equals, value = part.partition("=")
        if equals and name.strip():
            pairs[name.strip()] = value.strip()
    return pairs


def render(pairs: Mapping[str, str]) -> Secret:
    """Return the `Cookie` header's text."""
    return Secret("; ".join(f"{name}={value}" for name, value in pairs.items()))


def checked(cookie: Secret) -> Secret:
    """Return an owner's or a hook's cookie in plain form, or raise `InvalidCookie`.

    White space around pairs (a pasted line break) is harmless; control characters inside would break the header, and
    other alphabets are a paste's full-width `；` or `＝`.
    """
    pairs = parse(cookie.reveal())
    for name, value in pairs.items():
        wrong = _FORBIDDEN.search(name) or _FORBIDDEN.search(value)
        if wrong is not None:
            raise InvalidCookie(f"cookie holds the character U+{ord(wrong.group()):04X}")
    if not pairs.get(IDENTITY):
        raise InvalidCookie(f"cookie without {IDENTITY}")
    return render(pairs)


def unb(cookie: Secret) -> str | None:
    """Return the user id that a cookie logs in, None when it names none."""
    return parse(cookie.reveal()).get(IDENTITY) or None


def sign_token(cookie: Secret) -> str:
    """Return the part of the signing cookie that signs, empty when there is none yet."""
    return parse(cookie.reveal()).get(SIGNING, "").partition("_")[0]


def fingerprint(cookie: Secret) -> str:
    """Return a short text that changes when the cookie's pairs do, and tells nothing of them."""
    return hashlib.sha256(render(parse(cookie.reveal())).reveal().encode()).hexdigest()[:16]


def merge(cookie: Secret, set_cookie: Iterable[str], now: float) -> Secret:
    """Return the cookie after an answer with these `Set-Cookie` values; `now` is wall time."""
    pairs = parse(cookie.reveal())
    for header in set_cookie:
        first, *attributes = header.split(";")
        name, equals, value = (part.strip() for part in first.partition("="))
        if not equals or not name or name == IDENTITY or _FORBIDDEN.search(name + value):
            continue
        if _is_over(attributes, now):
            pairs.pop(name, None)
        else:
            pairs[name] = value
    return render(pairs)


def _is_over(attributes: Iterable[str], now: float) -> bool:
    """Say whether a Set-Cookie deletes its cookie; `Max-Age` wins over `Expires` (RFC 6265, 4.1.2.2)."""
    found = {}
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        found[name.strip().lower()] = value.strip()
    try:
        if "max-age" in found:
            return int(found["max-age"]) <= 0
        return "expires" in found and parsedate_to_datetime(found["expires"]).timestamp() <= now
    except (ValueError, OverflowError):
        return False  # An attribute that can't be read counts as absent (RFC 6265, 5.2).
