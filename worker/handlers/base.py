"""What the dispatcher asks of a handler, and what a handler may answer. Pure."""

from __future__ import annotations

import itertools
import json
import os
import re
from typing import Final, Protocol

import msgspec

from xyfleet.worker.protocol.message import Message
from xyfleet.worker.text import cut

MAX_REPLY: Final = 4000
"""Characters of one message to a buyer."""
_HIDDEN: Final = "‹text›"
_WORDS: Final = re.compile(r"\w{4,}")
"""Words of a message that are shorter are not looked for: hiding them would garble every sentence."""
_HAN: Final = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]|\\u[3-9][0-9a-fA-F]{3}")
"""A Chinese character, or how JSON and ASCII spell it."""
MOST_LOOKED_FOR: Final = 10_000
"""Characters of a message that may be looked for: of a million it takes half a minute, and a GiB."""


class Reply(msgspec.Struct, frozen=True):
    """What a handler may return instead of a text: an image, or a text and an image behind it."""

    text: str | None = None
    image: str | None = None
    """Path of a JPEG, PNG or WebP of at most 10 MiB; from the accounts file's folder where it is not absolute."""


class HandlerFailed(Exception):
    """
    The call is over, and failed; it counts as an attempt.

    Args:
        reason: For people: one line, without the text of the message.
        trace: Where in the handler it happened.
    """

    def __init__(self, reason: str, trace: str | None = None) -> None:
        super().__init__(reason)
        self.reason = cut(reason)
        self.trace = trace


class HandlerUnsure(Exception):
    """Nobody knows how far the call came: `on_unknown` decides."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = cut(reason)


class NotCalled(Exception):
    """The handler never heard of the message: nothing counts, and the call is made when `ready()` returns again."""


class Handler(Protocol):
    """What answers messages."""

    @property
    def trouble(self) -> str | None:
        """Why it can't be called now, or does not come back from calls; None = all is well."""

    def start(self) -> None:
        """Prepare what takes its time and may go wrong, so that a trouble shows before the first message comes."""

    async def ready(self) -> None:
        """Wait until calls can be made."""

    async def call(self, message: Message, timeout: float) -> str | Reply | None:
        """
        Return the answer to a message, None = there is none. Several calls may be on at one time.

        Args:
            timeout: Seconds that the handler may take. The call may last longer where it does not give up.

        Raises:
            HandlerFailed: it has no answer, and is done with the message.
            HandlerUnsure: it may have heard of the message, and may have acted.
            NotCalled: it has not heard of it.
        """

    async def close(self) -> None:
        """End all calls, and let go of everything."""


def checked(reply: object) -> str | Reply | None:
    """
    Return what a handler returned as a reply, None = there is none.

    Raises:
        HandlerFailed: it is nothing that can be sent.
    """
    if reply is None:
        return None
    if isinstance(reply, Reply):
        return _checked_parts(reply)
    if not isinstance(reply, str):
        raise HandlerFailed(f"returned {type(reply).__name__}, expected str, Reply or None")
    if not reply.strip():
        return None
    if len(reply) > MAX_REPLY:
        raise HandlerFailed(f"returned a text of {len(reply)} characters; a message has at most {MAX_REPLY}")
    try:
        return reply.encode().decode()
    except UnicodeEncodeError:
        raise HandlerFailed("returned a text with half a character (a lone surrogate): it can't be sent") from None


def _checked_parts(reply: Reply) -> str | Reply | None:
    text = checked(reply.text)
    assert not isinstance(text, Reply)
    if reply.image is None:
        return text
    if not isinstance(reply.image, str) or not reply.image.isprintable() or not reply.image.strip():
        raise HandlerFailed("returned an image that is no path")
    return Reply(text, reply.image)


def with_image_from(folder: str, reply: str | Reply | None) -> str | Reply | None:
    """Return a reply whose image's path is whole; one that is not absolute begins in `folder`."""
    if isinstance(reply, Reply) and reply.image is not None:
        return Reply(reply.text, os.path.join(folder, reply.image))
    return reply


def conceal(words: str, text: str) -> str:
    """Return `words`, the text of an error say, without the buyer's text (`MOST_LOOKED_FOR`) that they may repeat."""
    told = [text, *sorted(set(_WORDS.findall(text)))]
    forms = [form for each in told if each.strip() for form in (each, repr(each)[1:-1], json.dumps(each)[1:-1])]
    for form in dict.fromkeys(forms):
        words = re.sub(re.escape(form), _HIDDEN, words, flags=re.IGNORECASE)
    return _without_han(words, text)


def _without_han(words: str, text: str) -> str:
    """Hide all Chinese of two and more characters that is in the text: it has no blanks, so any part may be a word."""
    pairs = {text[at : at + 2] for at in range(len(text) - 1)}
    found = [(match.start(), match.end(), _spelled_out(match[0])) for match in _HAN.finditer(words)]
    kept: list[str] = []
    end = 0
    for one, other in itertools.pairwise(found):
        if one[1] != other[0] or one[2] + other[2] not in pairs:
            continue
        if one[0] >= end:
            kept += [words[end : one[0]], _HIDDEN]
        end = other[1]
    return "".join((*kept, words[end:]))


def _spelled_out(char: str) -> str:
    return chr(int(char[2:], 16)) if char.startswith("\\") else char
