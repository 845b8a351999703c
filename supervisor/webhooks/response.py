"""What a webhook's answer means. Pure."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any, Final

import msgspec

from xyfleet.worker.handlers.base import Reply

MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer that are read."""
NO_CONTENT: Final = 204
_BOM: Final = b"\xef\xbb\xbf"
_MEDIA_TYPE: Final = re.compile(r"[\w.+-]{1,40}/[\w.+-]{1,40}", re.ASCII)


class BadAnswer(Exception):
    """Neither a reply nor none; the text says what came instead, and repeats nothing of its body."""


def check_status(status: int) -> None:
    """Raise `BadAnswer` for a status that is no success: its body is of no interest."""
    if 300 <= status < 400:
        raise BadAnswer(f"answered {status}: redirects are not followed, give the final address as webhook.url")
    if not 200 <= status < 300:
        raise BadAnswer(f"answered {status}")


def reply_in(body: bytes, media_type: str) -> Reply | None:
    """
    Return the reply in a successful answer's body; None = there is none.

    Args:
        body: As it came; one byte more than `MAX_ANSWER` is enough to show that it is too long.
        media_type: Its Content-Type, for the wording only.

    Raises:
        BadAnswer: it is neither `{"reply": …, "image": …}`, each a text or null, or one of them, nor `{}`.
    """
    if len(body) > MAX_ANSWER:
        raise BadAnswer(f"answered more than {MAX_ANSWER // 1024} KiB")
    if not body:
        raise BadAnswer('answered nothing: say {"reply": null}, or answer 204')
    try:
        found: Any = msgspec.json.decode(body.removeprefix(_BOM))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        known = _MEDIA_TYPE.match(media_type)
        raise BadAnswer(f"answered {known[0] if known else 'something'} that is no JSON") from None
    return _reply(found)


def _reply(found: Any) -> Reply | None:
    if not isinstance(found, dict):
        raise BadAnswer(f"answered a JSON {_kind(found)}, not an object")
    if found and not found.keys() & {"reply", "image"}:
        raise BadAnswer('answered an object without "reply"')
    text, image = _text(found, "reply"), _text(found, "image")
    if image is not None and not _is_inside(image):
        raise BadAnswer('answered an "image" that is no path below the accounts file\'s folder')
    return None if text is None and image is None else Reply(text, image)


def _text(found: dict[str, Any], key: str) -> str | None:
    value = found.get(key)
    if value is not None and not isinstance(value, str):
        raise BadAnswer(f'answered {"an" if key == "image" else "a"} "{key}" that is a JSON {_kind(value)}, not a text')
    return value if value and value.strip() else None


def _is_inside(path: str) -> bool:
    """Say whether a path can only lead below the folder that it is taken from: a webhook may be anybody's machine."""
    parts = PurePath(path)
    return path.isprintable() and not parts.is_absolute() and ".." not in parts.parts


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"
