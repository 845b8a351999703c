"""Takes secrets out of what a refresh hook writes to standard error. Pure.

Known secrets are masked wherever they stand. A new cookie is not known yet when the hook talks about it, so values
that stand beside a login cookie's name, and long runs of code-like characters, are masked as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

from xyfleet.supervisor.credentials import cookies
from xyfleet.worker.secret import MASK, Secret

MAX_LINE: Final = 4096
"""Longer lines are left out: nobody could say what is in them."""
_SHORTEST: Final = 6
"""Shorter cookie values (`1`, `true`) are no secrets, and masking them would hide the text."""
_LOGIN_COOKIES: Final = (
    "cookie2",
    "sgcookie",
    "_m_h5_tk",
    "_m_h5_tk_enc",
    "_tb_token_",
    "csg",
    "havana_lgc2_77",
    "t",
    "tfstk",
)
_LONG_RUN: Final = re.compile(r"[A-Za-z0-9_+=%-]{32,}")
_HEX: Final = re.compile("%[0-9A-F]{2}")
_VALUE_FIELD: Final = re.compile(r"""(["']value["']\s*:\s*["'])[^"']+""")


class Redactor:
    """Masks one account's secrets; of a `username` of few letters whole words only, for it may be a part of others."""

    def __init__(
        self,
        *,
        cookie: Secret | None,
        others: Iterable[Secret | None],
        proxy: Secret | None,
        username: str | None = None,
    ) -> None:
        pairs = cookies.parse(cookie.reveal()) if cookie is not None else {}
        names = {*_LOGIN_COOKIES, *pairs} - {cookies.IDENTITY}
        self._beside_name = re.compile(
            rf"""(?<![\w-])({"|".join(map(re.escape, sorted(names)))})(["']?\s*[=:]\s*["']?)[^\s;,"'}}]+"""
        )
        secrets = {value for name, value in pairs.items() if name != cookies.IDENTITY and len(value) >= _SHORTEST}
        secrets |= {secret.reveal() for secret in others if secret}
        secrets |= _proxy_secrets(proxy)
        secrets |= {username} if username and len(username) >= _SHORTEST else set()
        spellings = {spelling for secret in secrets for spelling in _spellings(secret) if len(spelling) <= MAX_LINE}
        self._user = _whole_word(username) if username and len(username) < _SHORTEST else None
        # The longest first: one secret may be a part of another.
        self._known = sorted(spellings, key=len, reverse=True)

    def line(self, line: str) -> str:
        """Return one line with its secrets masked."""
        if len(line) > MAX_LINE:
            return f"(a line of {len(line)} characters, left out)"
        for secret in self._known:
            line = line.replace(secret, MASK)
        if self._user is not None:
            line = self._user.sub(MASK, line)
        line = self._beside_name.sub(rf"\1\2{MASK}", line)
        line = _VALUE_FIELD.sub(rf"\1{MASK}", line)
        return _LONG_RUN.sub(MASK, line)


def _proxy_secrets(proxy: Secret | None) -> set[str]:
    if proxy is None:
        return set()
    netloc = urlsplit(proxy.reveal()).netloc
    user, at, _ = netloc.rpartition("@")
    if not at:
        return set()
    return {text for text in (user, user.partition(":")[2]) if text}


def _whole_word(name: str) -> re.Pattern[str]:
    spelled = "|".join(map(re.escape, sorted(_spellings(name), key=len, reverse=True)))
    return re.compile(rf"(?<![A-Za-z0-9_])(?:{spelled})(?![A-Za-z0-9_])")


def _spellings(secret: str) -> set[str]:
    """Return how a secret may stand in a text: plain, URL-encoded (the usual ways) or decoded, as JSON."""
    encoded = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    encoded |= {_HEX.sub(lambda found: found.group().lower(), one) for one in encoded}
    quoted = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
    found = {secret, unquote(secret), *encoded, *quoted}
    return found | {one.replace("/", "\\/") for one in found}
