"""From the text of a push item to its value: base64, then JSON or MessagePack. Pure.

Source: docs/protocol.md, Pushes and acks. What comes out can always be written as JSON: keys are text, bytes are text,
and what is not UTF-8 (a text cut in the middle of a character, half an emoji) is replaced, so that it costs a
character and not the message. That is why MessagePack is read with msgpack: msgspec refuses the whole payload.

The number of values is bounded before they are built (`Budget`): 8 MiB of `{}` would be 0.9 GB of them, and some
seconds in which no heartbeat goes out.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from typing import Any, Final

import msgpack
import msgspec

MOST_DEPTH: Final = 64
"""Levels; what is nested deeper could not be encoded at every depth of the stack."""
MOST_VALUES: Final = 10_000
"""Values in one payload: reading them takes some 10 ms, in which no heartbeat goes out. Real ones have about 50."""
MOST_IN_FRAME: Final = 2 * MOST_VALUES
"""Values in all payloads of one frame, of which up to 32 were seen: one that is too large must not cost the others."""
_FEW: Final = 500
"""So many possible values are taken for real ones; of more they are counted."""
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[,\[{]', re.DOTALL)
"""A text, in which nothing counts, or what a further value follows."""

_UNDECODABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
_json: Final = msgspec.json.Decoder()


class Undecodable(Exception):
    """Neither JSON nor MessagePack, or more of it than is read."""


class TooMany(Undecodable):
    """There are more values in it than are read."""


class Budget:
    """How many values may yet be built."""

    __slots__ = ("left",)

    def __init__(self, values: int = MOST_VALUES) -> None:
        self.left = values

    def take(self, values: int) -> None:
        """Count values that are about to be built, or raise Undecodable."""
        if values > self.left:
            raise TooMany("more values than are read")
        self.left -= values

    def part(self) -> Budget:
        """Return what one payload may take of it, and count that as taken; what is left is given back by `join`."""
        part = Budget(min(MOST_VALUES, self.left))
        self.left -= part.left
        return part

    def join(self, part: Budget) -> None:
        """Take back what a payload did not need."""
        self.left += part.left


def unpack(data: str, budget: Budget | None = None) -> object:
    """
    Return the value of an item's `data`.

    Args:
        budget: Of the payload that it is in; None = one of its own.

    Raises:
        Undecodable: it has none, or more than the budget allows.
    """
    budget = budget or Budget()
    if data.lstrip()[:1] == "{":
        return read_json(data, budget)
    raw = _from_base64(data)
    if raw.lstrip()[:1] in (b"{", b"["):
        try:
            return read_json(raw, budget)
        except TooMany:
            raise
        except Undecodable:
            pass  # no MessagePack begins so but a lone number; then that is what it is
    return read_msgpack(raw, budget)


def read_json(raw: str | bytes, budget: Budget | None = None) -> object:
    """Return the value of a JSON text, as `plain`, or raise Undecodable; `budget` as in `unpack`."""
    return _Plain(None).value(load_json(raw, budget or Budget()), 0)


def load_json(raw: str | bytes, budget: Budget) -> object:
    """Return the value of a JSON text as Python has it, or raise Undecodable; `budget` as in `unpack`."""
    text = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    budget.take(_values_in(text, budget.left))
    try:
        return _json.decode(text)
    except _UNDECODABLE:
        return _load_odd_json(raw)


def _values_in(text: bytes, enough: int) -> int:
    """
    Return how many values a JSON text holds at most; where they are more than `enough`, only that they are more.

    Each value but the outermost follows a comma or begins a list or an object. Where texts hold many of those signs,
    what is in texts is left out.
    """
    possible = 1 + text.count(b",") + text.count(b"[") + text.count(b"{")
    if possible <= min(_FEW, enough):
        return possible
    values = 1
    for token in _TOKEN.finditer(text):
        if token[0][:1] != b'"':
            values += 1
            if values > enough:
                break
    return values


def _load_odd_json(raw: str | bytes) -> object:
    """Read what msgspec refuses: invalid UTF-8, half surrogate pairs, `NaN`, numbers beyond any float."""
    text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except _UNDECODABLE:
        raise Undecodable("not JSON") from None


def read_msgpack(raw: bytes, budget: Budget | None = None) -> object:
    """Return the value of a MessagePack payload, as `plain`, or raise Undecodable; `budget` as in `unpack`."""
    packed = _Packed(raw, budget or Budget())
    try:
        value = packed.value(0)
    except (ValueError, TypeError, IndexError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise Undecodable(f"no MessagePack: {type(error).__name__}") from None
    if packed.rest:
        raise Undecodable("no MessagePack: something follows it")
    return value


class _Packed:
    """A MessagePack payload, read value by value, so that their number and depth are known before they are built."""

    def __init__(self, raw: bytes, budget: Budget) -> None:
        self._raw = raw
        self._budget = budget
        self._unpacker = msgpack.Unpacker(
            max_buffer_size=len(raw) or 1,
            strict_map_key=False,
            unicode_errors="replace",
            ext_hook=_extension,
            timestamp=1,
        )
        self._unpacker.feed(raw)

    @property
    def rest(self) -> bool:
        """Whether something follows what was read."""
        return bool(self._unpacker.tell() < len(self._raw))

    def value(self, depth: int) -> object:
        """Return the next value, and all in it. Raises Undecodable, and what msgpack and a cut end raise."""
        if depth > MOST_DEPTH:
            raise Undecodable("deeper than is read")
        self._budget.take(1)
        head = self._raw[self._unpacker.tell()]
        if 0x80 <= head <= 0x8F or head in (0xDE, 0xDF):
            pairs = self._unpacker.read_map_header()
            return {self._key(): self.value(depth + 1) for _ in range(pairs)}
        if 0x90 <= head <= 0x9F or head in (0xDC, 0xDD):
            return [self.value(depth + 1) for _ in range(self._unpacker.read_array_header())]
        return _Plain(None).value(self._unpacker.unpack(), depth)

    def _key(self) -> str:
        head = self._raw[self._unpacker.tell()]
        if 0x80 <= head <= 0x9F or 0xDC <= head <= 0xDF:
            raise Undecodable("a key that is no simple value")
        return _key(self._unpacker.unpack())


def plain(value: object) -> Any:
    """
    Return the value as JSON can hold it: the same, but for texts with half surrogate pairs and for odd numbers.

    Raises:
        Undecodable: it is nested too deep or holds too much.
    """
    return _Plain(Budget()).value(value, 0)


class _Plain:
    """Makes values plain; those that no budget has counted yet count in this one."""

    __slots__ = ("_budget",)

    def __init__(self, budget: Budget | None) -> None:
        self._budget = budget

    def value(self, value: object, depth: int) -> object:
        """Return one value, and all in it. Raises Undecodable."""
        if self._budget is not None:
            self._budget.take(1)
        if depth > MOST_DEPTH:
            raise Undecodable("deeper than is read")
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
    try:
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _number(number: float) -> float | str:
    """Return a number, as text where programs that read JSON would stumble over it."""
    if isinstance(number, int):
        return number if -(2**63) <= number < 2**64 else str(number)
    return number if math.isfinite(number) else str(number)


def _from_base64(data: str) -> bytes:
    """Decode base64: with or without padding and line breaks, and in its URL-safe spelling too."""
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        return _from_odd_base64(data)


def _from_odd_base64(data: str) -> bytes:
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
