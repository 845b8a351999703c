"""What a webhook's answer means. Pure."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any, Final

import msgspec

from xyfleet.worker.handlers.base import CheckedAnswer, HandlerFailed, HandOver, Part, Reply, checked

MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer that are read."""
NO_CONTENT: Final = 204
_KNOWN: Final = frozenset({"reply", "image", "replies", "hand_over"})
_BOM: Final = b"\xef\xbb\xbf"
_MEDIA_TYPE: Final = re.compile(r"[\w.+-]{1,40}/[\w.+-]{1,40}", re.ASCII)


class BadAnswer(Exception):
    """
    Neither an answer nor none; the text says what came instead, and repeats nothing of its body.

    Args:
        down: Whether it says that the service takes no calls now.
    """

    def __init__(self, words: str, *, down: bool = False) -> None:
        super().__init__(words)
        self.down = down


_NOT_NOW: Final = frozenset({429, 502, 503, 504})
"""Statuses by which a service, or the proxy before it, says that it does not take calls at the moment."""


def check_status(status: int) -> None:
    """Raise `BadAnswer` for a status that is no success: its body is of no interest."""
    if 300 <= status < 400:
        raise BadAnswer(f"answered {status}: redirects are not followed, give the final address as webhook.url")
    if not 200 <= status < 300:
        raise BadAnswer(f"answered {status}", down=status in _NOT_NOW)


def answer_in(body: bytes, media_type: str) -> CheckedAnswer | None:
    """
    Return what a successful answer's body says; None = nothing.

    Args:
        body: As it came; one byte more than `MAX_ANSWER` is enough to show that it is too long.
        media_type: Its Content-Type, for the wording only.

    Raises:
        BadAnswer: it is none of `{"reply": …, "image": …}`, `{"replies": […]}`, `{"hand_over": {…}}` and `{}`.
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
    try:
        return checked(_parts(found))
    except HandlerFailed as error:
        raise BadAnswer(error.reason.replace("returned", "answered", 1)) from None


def _parts(found: Any) -> list[Part]:
    if not isinstance(found, dict):
        raise BadAnswer(f"answered a JSON {_kind(found)}, not an object")
    if found and not found.keys() & _KNOWN:
        raise BadAnswer('answered an object without "reply"')
    replies = found.get("replies")
    if replies is not None and found.keys() & {"reply", "image"}:
        raise BadAnswer('answered "replies" beside "reply" or "image"')
    if replies is not None and not isinstance(replies, list):
        raise BadAnswer(f'answered "replies" that are a JSON {_kind(replies)}, not an array')
    parts: list[Part] = [_reply(found, "reply")] if replies is None else [_one_of(each) for each in replies]
    hand_over = found.get("hand_over")
    return parts if hand_over is None else [*parts, _hand_over(hand_over)]


def _one_of(each: Any) -> Part:
    """Return one of several replies: a text, or a text, an image and the seconds to wait before."""
    if isinstance(each, str):
        return each
    if not isinstance(each, dict) or each.keys() - {"text", "image", "after"}:
        raise BadAnswer('answered "replies" with one that is neither a text nor {"text": …, "image": …, "after": …}')
    return _reply(each, "text")


def _reply(found: dict[str, Any], key: str) -> Reply:
    text, image = _text(found, key), _text(found, "image")
    if image is not None and not _is_inside(image):
        raise BadAnswer('answered an "image" that is no path below the accounts file\'s folder')
    return Reply(text, image, found.get("after", 0))


def _text(found: dict[str, Any], key: str) -> str | None:
    value = found.get(key)
    if value is not None and not isinstance(value, str):
        raise BadAnswer(f'answered {"an" if key == "image" else "a"} "{key}" that is a JSON {_kind(value)}, not a text')
    return value if value and value.strip() else None


def _is_inside(path: str) -> bool:
    """Say whether a path can only lead below the folder that it is taken from: a webhook may be anybody's machine."""
    parts = PurePath(path)
    return path.isprintable() and not parts.is_absolute() and ".." not in parts.parts


def _hand_over(found: Any) -> HandOver:
    if not isinstance(found, dict) or "minutes" not in found or found.keys() - {"minutes", "why"}:
        raise BadAnswer('answered a "hand_over" that is not {"minutes": …, "why": …}')
    return HandOver(found["minutes"], found.get("why", ""))


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
