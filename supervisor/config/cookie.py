"""A pasted cookie as one clean header line, and whose it is. Pure. Nothing here ever repeats a part of the cookie."""

from __future__ import annotations

import re
from typing import Final

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.credentials.cookies import MAX_LENGTH

_PREFIX: Final = re.compile(r"cookie\s*:\s*", re.IGNORECASE)
_QUOTES: Final = (('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"))
_PAIR: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+=.*")
_UNB: Final = re.compile(r"[0-9]{1,20}")
_BLANK: Final = re.compile(r"\s")
_FOREIGN: Final = re.compile(r"[^\x21-\x7e]")
"""Control and zero-width characters, and the full-width ones of a Chinese keyboard; browsers send none of them."""


class BadCookie(ValueError):
    """A text that can't be used as a cookie: what is wrong, and what would be right."""

    def __init__(self, message: str, remedy: str) -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(message, remedy)

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}"


def clean(text: str) -> str:
    """
    Return the cookie as `name=value; name=value`, with a `Cookie:` before it, quotes around it and line breaks
    between its pairs undone.

    Raises:
        BadCookie: a part of it is no pair, is broken, or there is no user id (`unb`) in it.
    """
    copy = _("copy the whole Cookie line of a logged-in browser once more, on one line")
    if len(text) > MAX_LENGTH:
        raise BadCookie(_("is longer than %(limit)s characters") % {"limit": MAX_LENGTH}, copy)
    text = _unwrapped(text)
    if text.startswith(("[", "{", "#")):
        raise BadCookie(_("is an export, not a cookie line"), _("copy the Cookie header: name=value; name=value"))
    pairs = [pair for pair in (part.strip() for part in text.split(";")) if pair]
    for number, pair in enumerate(pairs, 1):
        place = {"number": number, "count": len(pairs)}
        if _BLANK.search(pair):
            raise BadCookie(_("part %(number)s of %(count)s holds a blank or a line break inside") % place, copy)
        if _FOREIGN.search(pair):
            message = _("part %(number)s of %(count)s holds a character that no browser sends, such as “；” or “＝”")
            raise BadCookie(message % place, copy)
        if not _PAIR.fullmatch(pair):
            raise BadCookie(_("part %(number)s of %(count)s is not name=value") % place, copy)
    cookie = "; ".join(pairs)
    if user_id(cookie) is None:
        raise BadCookie(_("has no single user id (unb=…): it is not from a logged-in browser"), copy)
    return cookie


def user_id(cookie: str) -> str | None:
    """Return the `unb` of a clean cookie; None when there is none, or two that differ."""
    found = {pair[4:] for pair in cookie.split("; ") if pair.startswith("unb=")}
    unb = found.pop() if len(found) == 1 else ""
    return unb if _UNB.fullmatch(unb) else None


def _unwrapped(text: str) -> str:
    """Return the text without `Cookie:` and quotes around it, in whatever order they stand."""
    before = None
    while text != before:
        before = text = text.strip()
        text = _PREFIX.sub("", text, count=1) if _PREFIX.match(text) else text
        for left, right in _QUOTES:
            if len(text) > 1 and text.startswith(left) and text.endswith(right):
                text = text[1:-1]
    return text
