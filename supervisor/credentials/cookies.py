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
MAX_LENGTH: Final = 32_768
"""Most characters of a cookie; servers refuse far shorter headers."""
MAX_PAIRS: Final = 256
"""Most pairs of a cookie; browsers keep fewer for one site."""
MAX_PAIR: Final = 4096
"""Most characters of a pair that an answer may set, as in browsers (RFC 6265, 6.1)."""
_NEEDED: Final = (IDENTITY, SIGNING, f"{SIGNING}_enc")
"""Never left out for want of room: without them no call is signed."""
_BETWEEN: Final = len("=; ")
_MOST: Final = MAX_LENGTH + len(_NEEDED) * MAX_PAIR
"""Characters of a full cookie to which the needed pairs were added."""
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
    plain = render(pairs)
    if len(plain.reveal()) > MAX_LENGTH:
        raise InvalidCookie(f"cookie of {len(plain.reveal())} characters, at most {MAX_LENGTH}")
    return plain


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
    """
    Return the cookie after an answer with these `Set-Cookie` values; `now` is wall time.

    What would make it longer than a cookie may be changes nothing: the old value stays.
    """
    pairs = _bounded(parse(cookie.reveal()))
    length = _length(pairs)
    for header in set_cookie:
        first, *attributes = header.split(";")
        name, equals, value = (part.strip() for part in first.partition("="))
        if not equals or not name or name == IDENTITY or _FORBIDDEN.search(name + value):
            continue
        old = len(name) + len(pairs[name]) + _BETWEEN if name in pairs else 0
        new = 0 if _is_over(attributes, now) else len(name) + len(value) + _BETWEEN
        if not new:
            pairs.pop(name, None)
        elif new > MAX_PAIR or not (name in _NEEDED or _has_room(pairs, name, length - old + new)):
            continue
        else:
            pairs[name] = value
        length += new - old
    return render(pairs)


def sendable(cookie: Secret) -> Secret:
    """Return what of the cookie goes into a header: all, but of one that an older version let grow the first pairs."""
    pairs = parse(cookie.reveal())
    kept = _bounded(pairs)
    return cookie if len(kept) == len(pairs) else render(kept)


def _bounded(pairs: dict[str, str]) -> dict[str, str]:
    """Return the first pairs, the login's own, as many as a cookie may have, and the needed ones."""
    if len(pairs) <= MAX_PAIRS and _length(pairs) <= _MOST:
        return pairs
    kept = {name: pairs[name] for name in _NEEDED if name in pairs and len(pairs[name]) <= MAX_PAIR}
    length = _length(kept)
    for name, value in pairs.items():
        new = len(name) + len(value) + _BETWEEN
        if name not in kept and _has_room(kept, name, length + new):
            kept[name] = value
            length += new
    return {name: value for name, value in pairs.items() if name in kept}


def _has_room(pairs: Mapping[str, str], name: str, length: int) -> bool:
    return length <= MAX_LENGTH and (name in pairs or len(pairs) < MAX_PAIRS)


def _length(pairs: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) + _BETWEEN for name, value in pairs.items())


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
