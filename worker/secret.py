"""A text that never shows itself by accident: cookies, passwords, tokens. Pure."""

from __future__ import annotations

import base64
import json
import re
from typing import Final
from urllib.parse import quote, unquote, urlsplit

MASK: Final = "***"


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


def spelled(secret: str) -> re.Pattern[str]:
    """Return what finds a text however it is spelled: plain, URL-encoded, as in JSON, or each character its own way."""
    return re.compile("".join(map(_character, secret)))


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


def masked(text: str, *patterns: re.Pattern[str]) -> str:
    """Return the text without what the patterns find."""
    for pattern in patterns:
        text = pattern.sub(MASK, text)
    return text
