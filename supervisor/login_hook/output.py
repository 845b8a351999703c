"""The answer in what a hook wrote to standard output: a JSON object, perhaps among lines of log. Pure."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec

_ANSWERS: Final = ("cookie", "error")
"""An object with one of these is the answer, also when other objects (lines of a log as JSON) stand behind it."""
_MAX_TRIES: Final = 2000
"""Most places where an object may begin that are looked at: the last ones."""
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class NoJson(Exception):
    """There is none in it."""


def answer(output: bytes) -> Any:
    """Return the JSON value that the output is, else the last object in it that looks like an answer. `NoJson`."""
    text = _text(output).strip()
    try:
        return _decoded(text)
    except NoJson:
        pass
    objects = [found for found in _objects(text) if found]
    answers = [found for found in objects if any(key in found for key in _ANSWERS)]
    if not answers and any(line.strip() == "{}" for line in text.splitlines()):
        return {}  # "Nothing to change" only on a line of its own: a log may say `slot {}`.
    for found in (*answers[-1:], *objects[-1:]):
        return found
    raise NoJson


def _text(output: bytes) -> str:
    """Return the output in its encoding: as its mark says, UTF-8, or what a Chinese Windows program writes."""
    for mark, encoding in _MARKS:
        if output.startswith(mark):
            return output[len(mark) :].decode(encoding, "replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return output.decode(encoding)
        except UnicodeDecodeError:
            continue
    return output.decode(errors="replace")


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in a text, none of those that are inside another one."""
    starts = [place for place, char in enumerate(text) if char == "{"][-_MAX_TRIES:]
    over = 0
    for start in starts:
        if start < over:
            continue
        try:
            over = json.JSONDecoder().raw_decode(text, start)[1]
            yield _decoded(text[start:over])
        except (ValueError, RecursionError, NoJson):
            continue


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise NoJson from None
