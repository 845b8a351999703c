"""Cookies as the token call needs them: read a header's text, merge what an answer sets, write it again. Pure.

At the borders a cookie is a `Secret`; inside, a dict in the order of the header.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.credentials import cookie_forms
from xyfleet.worker.reasons import TEXTS, Reason
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
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNB: Final = re.compile(r"[0-9]{1,20}")
_BLANK: Final = re.compile(r"\s")
_FOREIGN: Final = re.compile(r"[^\x21-\x7e]")
"""Control and zero-width characters, and the full-width ones of a Chinese keyboard; browsers send none of them."""
MAX_TEXT: Final = 65_536
"""Most characters of what a cookie is read from: an export says much beside the cookies."""
PROOF: Final = "cookie2"
"""What proves the login; scripts of a page can't see it, so it lacks in what they copy."""

_COPY: Final = N_("copy the whole Cookie line of a logged-in browser once more, on one line")


class InvalidCookie(ValueError):
    """A text that can't be an account's cookie: what is wrong, what would be right, and nothing of it."""

    def __init__(self, code: str, remedy: str = _COPY, **values: int) -> None:
        self.reason = Reason(code, dict(values))
        self.message = Text(TEXTS[code], values)
        self.remedy = Text(remedy)
        self.text = Text(N_("%(message)s; %(remedy)s"), {"message": self.message, "remedy": self.remedy})
        """Both in one sentence."""
        super().__init__(code)

    def __str__(self) -> str:
        return self.text.say("en")


def parse(text: str) -> dict[str, str]:
    """Return a plain header's pairs. Parts without a name or `=` are left out; of two equal names the last counts."""
    pairs = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals and name.strip():
            pairs[name.strip()] = value.strip()
    return pairs


def render(pairs: Mapping[str, str]) -> Secret:
    """Return the `Cookie` header's text."""
    return Secret("; ".join(f"{name}={value}" for name, value in pairs.items()))


def checked(cookie: Secret) -> Secret:
    """
    Return a cookie, in whatever form its owner, a file or a hook gave it, as `name=value; name=value`.

    What a copy has around it is undone (`cookie_forms`). Of two equal names the last counts.

    Raises:
        InvalidCookie: a part is no pair, is broken, or there is no single user id.
    """
    text = cookie.reveal()
    if len(text) > MAX_TEXT:
        raise InvalidCookie("cookie_long", limit=MAX_TEXT)
    try:
        parts = cookie_forms.parts(text)
    except cookie_forms.NoCookie as error:
        raise InvalidCookie(error.code, N_("copy the Cookie header: name=value; name=value")) from None
    pairs = [_pair(part, number, len(parts)) for number, part in enumerate(parts, 1)]
    users = {value for name, value in pairs if name == IDENTITY}
    if len(users) != 1 or not _UNB.fullmatch(users.pop()):
        raise InvalidCookie("cookie_no_user")
    plain = render(dict(pairs))
    if len(plain.reveal()) > MAX_LENGTH:
        raise InvalidCookie("cookie_long", limit=MAX_LENGTH)
    return plain


def _pair(part: str, number: int, count: int) -> tuple[str, str]:
    name, equals, value = (text.strip() for text in part.partition("="))
    if _BLANK.search(name + value):
        wrong = "cookie_blank"
    elif _FOREIGN.search(name + value) or ";" in part:
        wrong = "cookie_odd"
    elif not equals or not _NAME.fullmatch(name):
        wrong = "cookie_no_pair"
    else:
        return name, value
    raise InvalidCookie(wrong, number=number, count=count)


def doubt(cookie: Secret) -> Text | None:
    """Return what is probably wrong with a cookie that can be used, else None."""
    if parse(cookie.reveal()).get(PROOF):
        return None
    return Text(
        N_(
            "there is no %(name)s in it: it was probably copied from document.cookie, which does not show it; in the"
            " developer tools (F12) choose Network, click a request to goofish.com, and copy the request header Cookie"
        ),
        {"name": PROOF},
    )


def unb(cookie: Secret) -> str | None:
    """Return the user id that a cookie logs in, None when it names none."""
    return parse(cookie.reveal()).get(IDENTITY) or None


def is_user(unb: str) -> bool:
    """Say whether this can be a user's id; what is none never becomes part of a path."""
    return _UNB.fullmatch(unb) is not None


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
