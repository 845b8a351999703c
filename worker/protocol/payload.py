"""From the text of a push item to its value: base64, then JSON or MessagePack. Pure.

Source: docs/protocol.md, Pushes and acks. What comes out can always be written as JSON: keys are text, bytes are text,
and what is not UTF-8 (a text cut in the middle of a character, half an emoji) is replaced, so that it costs a
character and not the message. That is why MessagePack is read with msgpack: msgspec refuses the whole payload.
"""

from __future__ import annotations

import binascii
import json
import math
from typing import Any, Final

import msgpack
import msgspec

MOST_DEPTH: Final = 64
"""Levels; what is nested deeper could not be encoded at every depth of the stack."""
MOST_VALUES: Final = 10_000
"""Values in one payload: reading them takes some 10 ms, in which no heartbeat goes out. Real ones have about 50."""

_UNDECODABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
_json: Final = msgspec.json.Decoder()


class Undecodable(Exception):
    """Neither JSON nor MessagePack, or more of it than is read."""


def unpack(data: str) -> object:
    """
    Return the value of an item's `data`.

    Raises:
        Undecodable: it has none.
    """
    if data.lstrip()[:1] == "{":
        return read_json(data)
    raw = _from_base64(data)
    if raw.lstrip()[:1] in (b"{", b"["):
        try:
            return read_json(raw)
        except Undecodable:
            pass  # no MessagePack begins so but a lone number; then that is what it is
    return read_msgpack(raw)


def read_json(raw: str | bytes) -> object:
    """Return the value of a JSON text, as `plain`, or raise Undecodable."""
    try:
        return plain(_json.decode(raw))
    except _UNDECODABLE:
        return plain(_read_odd_json(raw))


def _read_odd_json(raw: str | bytes) -> object:
    """Read what msgspec refuses: invalid UTF-8, half surrogate pairs, `NaN`, numbers beyond any float."""
    text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except _UNDECODABLE:
        raise Undecodable("not JSON") from None


def read_msgpack(raw: bytes) -> object:
    """Return the value of a MessagePack payload, as `plain`, or raise Undecodable."""
    try:
        value = msgpack.unpackb(raw, strict_map_key=False, unicode_errors="replace", ext_hook=_extension, timestamp=1)
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise Undecodable(f"no MessagePack: {type(error).__name__}") from None
    return plain(value)


def plain(value: object) -> Any:
    """
    Return the value as JSON can hold it: the same, but for texts with half surrogate pairs and for odd numbers.

    Raises:
        Undecodable: it is nested too deep or holds too much.
    """
    return _Plain().value(value, 0)


class _Plain:
    """Makes values plain; a new one for every payload."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def value(self, value: object, depth: int) -> object:
        """Return one value, and all in it. Raises Undecodable."""
        self._left -= 1
        if self._left < 0 or depth > MOST_DEPTH:
            raise Undecodable("more values, or deeper ones, than are read")
        match value:
            case str():
                return _clean(value)
            case bytes():
                return value.decode("utf-8", "replace")
            case dict():
                return {_key(key): self.value(inner, depth + 1) for key, inner in value.items()}
            case list():
                return [self.value(inner, depth + 1) for inner in value]
            case None | bool():
                return value
            case int() | float():
                return _number(value)
            case _:
                raise Undecodable(f"a {type(value).__name__} in it")


def _clean(text: str) -> str:
    """Return the text without what has no UTF-8: half surrogate pairs."""
    return text.encode("utf-8", "replace").decode()


def _number(number: float) -> float | str:
    """Return a number, as text where programs that read JSON would stumble over it."""
    if isinstance(number, int):
        return number if -(2**63) <= number < 2**64 else str(number)
    return number if math.isfinite(number) else str(number)


def _from_base64(data: str) -> bytes:
    """Decode base64: with or without padding and line breaks, and in its URL-safe spelling too."""
    text = "".join(data.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        raise Undecodable("not base64") from None


def _key(key: object) -> str:
    """Return a map's key as text; of what JSON has no word for, its JSON."""
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    return _clean(str(key)) if type(key) in (str, int, float) else msgspec.json.encode(key, enc_hook=str).decode()


def _extension(kind: int, data: bytes) -> dict[str, object]:
    return {"ext": kind, "data": data}
