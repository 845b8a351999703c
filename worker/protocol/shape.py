"""The shape of something the platform sent, fit for a bug report: keys and kinds, no texts, ids or secrets. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

MOST_NODES: Final = 200
DEEPEST: Final = 12
LONGEST: Final = 3800
"""Bytes of a shape inside of a message to the supervisor: a text in JSON, with all its quotes escaped."""
_KEY: Final = re.compile(r"[A-Za-z_][\w.-]{0,47}|\d{1,4}", re.ASCII)
_NUMBERS: Final = re.compile(r"\d{4,}")
_PLAIN: Final = frozenset(("", "true", "false", "0", "1", "2"))
"""Texts that say nothing of anybody, and much of the shape."""
_ID: Final = re.compile(r"-?\d{5,}(@goofish|\.PNM)?")
_SCHEME: Final = re.compile(r"[a-z]{2,12}://")


class _Count:
    def __init__(self) -> None:
        self.left = MOST_NODES


def shape(value: object) -> str:
    """Return the shape as JSON: objects and lists as they are, everything else as what it is, such as `<text 12>`."""
    text = msgspec.json.encode(_shape(value, DEEPEST, _Count())).decode()
    fits = len(msgspec.json.encode(text)) <= LONGEST
    return text if fits else msgspec.json.encode(f"<too large: {len(text)}>").decode()


def shape_of_bytes(data: bytes) -> str:
    """Return the shape of JSON, or what else it is."""
    try:
        return shape(msgspec.json.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.encode(f"<no JSON {len(data)}>").decode()


def name_of(word: object) -> str:
    """Return a name as it may be shown: nothing that could be somebody's id or text."""
    text = str(word)
    if _NUMBERS.fullmatch(text) and len(text) <= 6:
        return text  # an objectType
    masked = _NUMBERS.sub("<n>", text)
    return masked if len(masked) <= 60 and re.fullmatch(r"[\w./<>:-]*", masked, re.ASCII) else "<text>"


def _shape(value: Any, depth: int, count: _Count) -> Any:
    count.left -= 1
    if count.left < 0 or depth == 0:
        return "<more>"
    match value:
        case dict():
            return {_key(key): _shape(each, depth - 1, count) for key, each in list(value.items())[:MOST_NODES]}
        case list() | tuple():
            return [_shape(each, depth - 1, count) for each in value[:3]] + (["<more>"] if len(value) > 3 else [])
        case bool() | None:
            return value
        case int():
            return value if -1000 < value < 1000 else f"<number {len(str(abs(value)))}>"
        case float():
            return "<number>"
        case str():
            return _text(value, depth, count)
    return f"<{type(value).__name__}>"


def _key(key: object) -> str:
    text = str(key)
    return _NUMBERS.sub("<n>", text) if _KEY.fullmatch(text) else "<key>"


def _text(text: str, depth: int, count: _Count) -> Any:
    if text in _PLAIN:
        return text
    if text[:1] in ("{", "["):
        try:
            return {"<json>": _shape(msgspec.json.decode(text), depth - 1, count)}
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return f"<text {len(text)}>"
    if found := _ID.fullmatch(text):
        return f"<id {len(text)}{found[1] or ''}>"
    return f"<url {len(text)}>" if _SCHEME.match(text) else f"<text {len(text)}>"
