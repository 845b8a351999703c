"""A text that never shows itself by accident: cookies, passwords, tokens. Pure."""

from __future__ import annotations

import base64
import json
import re
from typing import Final
from urllib.parse import quote, unquote, urlsplit

MASK: Final = "***"
_ONE_WAY: Final = re.compile(r"[A-Za-z0-9_]+")


class Secret:
    """
    A secret text. Printing, formatting, logging or a traceback shows `***`; only `reveal()` gives the text.

    Two secrets are equal when their texts are.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, to be used and not kept."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Spelled:
    """
    Finds a secret text however it is spelled: plain, URL-encoded, as in JSON, or each character its own way.

    Its pattern is compiled when a text has the longest part that can only be spelled in one way: to compile that of a
    token takes a worker 0.3 MiB of memory, and lines that have it are rare.
    """

    __slots__ = ("_part", "_secret")

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._part = max(_ONE_WAY.findall(secret), key=len, default="")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spelled) and other._secret == self._secret

    def __hash__(self) -> int:
        return hash(self._secret)

    def masked(self, text: str) -> str:
        """Return the text without the secret."""
        if self._part not in text:
            return text
        return re.sub("".join(map(_character, self._secret)), MASK, text)


def _character(char: str) -> str:
    if char.isascii() and (char.isalnum() or char == "_"):
        return char
    encoded = quote(char, safe="", errors="replace") if char not in "-.~" else f"%{ord(char):02X}"
    ways = {char, encoded, encoded.lower(), json.dumps(char)[1:-1], json.dumps(char)[1:-1].upper().replace("U", "u")}
    ways |= {"\\/"} if char == "/" else {"+"} if char == " " else set()
    return f"(?:{'|'.join(map(re.escape, sorted(ways, key=len, reverse=True)))})"


def proxy_secrets(proxy: Secret | None) -> list[Secret]:
    """Return what of a proxy's address must not be shown: all, the password, and user and password as they are sent."""
    if proxy is None:
        return []
    address = urlsplit(proxy.reveal())
    user, password = unquote(address.username or ""), unquote(address.password or "")
    sent = base64.b64encode(f"{user}:{password}".encode(errors="replace")).decode() if password else ""
    return [proxy, Secret(address.password or ""), Secret(password), Secret(sent)]


def masked(text: str, *hidden: Spelled) -> str:
    """Return the text without these secrets."""
    for each in hidden:
        text = each.masked(text)
    return text
