"""What the dispatcher asks of a handler, and what a handler may answer. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, Protocol, TypeAlias

import msgspec

from xyfleet.worker.protocol.message import Message
from xyfleet.worker.reasons import Reason
from xyfleet.worker.text import cut

MAX_REPLY: Final = 4000
"""Characters of one message to a buyer."""
MOST_REPLIES: Final = 10
"""Messages to a buyer in one answer."""
LONGEST_PAUSE: Final = 300.0
"""Seconds between two of them."""
LONGEST_HAND_OVER: Final = 30 * 24 * 60.0
"""Minutes for which a conversation is given to a person."""


class Reply(msgspec.Struct, frozen=True):
    """What a handler may return instead of a text: an image, or a text and an image behind it; at a time of its own."""

    text: str | None = None
    image: str | None = None
    """Path of a JPEG, PNG or WebP of at most 10 MiB; from the accounts file's folder where it is not absolute."""
    after: float = 0.0
    """Seconds to wait after the one before, or after the answer if it is the first; at most 300."""


class HandOver(msgspec.Struct, frozen=True):
    """
    Gives the talk of the conversation to a person: the handler hears none of it for a while.

    Orders and cards go to the handler all the same, for what is paid is delivered.
    """

    minutes: float
    """From now on; at most 43,200, which is 30 days."""
    why: str = ""
    """For the person, in the event; one line."""


Part: TypeAlias = str | Reply | HandOver
Answer: TypeAlias = Part | Sequence[Part] | None
"""What a handler may return."""


class CheckedAnswer(msgspec.Struct, frozen=True):
    """An answer, looked through: at least one of the two is there."""

    replies: tuple[Reply, ...] = ()
    """Each with a text or an image."""
    hand_over: HandOver | None = None


class HandlerFailed(Exception):
    """
    The call is over, and failed; it counts as an attempt.

    Args:
        reason: For people: one line, without the text of the message.
        trace: Where in the handler it happened.
        later: Whether the platform or the webhook could not be asked now: of an order the call does not count then.
    """

    def __init__(self, reason: str, trace: str | None = None, *, later: bool = False) -> None:
        super().__init__(reason)
        self.reason = cut(reason)
        self.trace = trace
        self.later = later


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
    def trouble(self) -> Reason | None:
        """Why it can't be called now, or does not come back from calls; None = all is well."""

    def start(self) -> None:
        """Prepare what takes its time and may go wrong, so that a trouble shows before the first message comes."""

    async def ready(self) -> None:
        """Wait until calls can be made."""

    async def call(self, message: Message, timeout: float) -> CheckedAnswer | None:
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


def checked(answer: object) -> CheckedAnswer | None:
    """
    Return what a handler returned as an answer, None = there is none.

    Raises:
        HandlerFailed: it is nothing that can be sent.
    """
    parts = answer if isinstance(answer, list | tuple) else (answer,)
    replies: list[Reply] = []
    hand_over: HandOver | None = None
    for part in parts:
        if isinstance(part, HandOver):
            hand_over = _checked_hand_over(part)
        elif (reply := _checked_reply(part)) is not None:
            replies.append(reply)
    if len(replies) > MOST_REPLIES:
        raise HandlerFailed(f"returned {len(replies)} messages; an answer has at most {MOST_REPLIES}")
    return CheckedAnswer(tuple(replies), hand_over) if replies or hand_over is not None else None


def with_images_from(folder: str, answer: CheckedAnswer | None) -> CheckedAnswer | None:
    """Return an answer whose images' paths are whole; one that is not absolute begins in `folder`."""
    if answer is None:
        return None
    return CheckedAnswer(tuple(_with_image_from(folder, reply) for reply in answer.replies), answer.hand_over)


def _with_image_from(folder: str, reply: Reply) -> Reply:
    return reply if reply.image is None else Reply(reply.text, os.path.join(folder, reply.image), reply.after)


def checked_text(text: object) -> str | None:
    """Return a text to be sent; None = there is nothing to see in it. Raises `HandlerFailed`."""
    if not isinstance(text, str):
        raise HandlerFailed(f"returned {type(text).__name__}, expected str, Reply, HandOver, a list of these or None")
    if not text.strip():
        return None
    if len(text) > MAX_REPLY:
        raise HandlerFailed(f"returned a text of {len(text)} characters; a message has at most {MAX_REPLY}")
    try:
        return text.encode().decode()
    except UnicodeEncodeError:
        raise HandlerFailed("returned a text with half a character (a lone surrogate): it can't be sent") from None


def _checked_reply(part: object) -> Reply | None:
    if part is None:
        return None
    if not isinstance(part, Reply):
        text = checked_text(part)
        return None if text is None else Reply(text)
    text = None if part.text is None else checked_text(part.text)
    after = _number(part.after, "a Reply's after", 0.0, LONGEST_PAUSE, "seconds")
    if part.image is None:
        return None if text is None else Reply(text, after=after)
    if not isinstance(part.image, str) or not part.image.isprintable() or not part.image.strip():
        raise HandlerFailed("returned an image that is no path")
    return Reply(text, part.image, after)


def _checked_hand_over(part: HandOver) -> HandOver:
    minutes = _number(part.minutes, "a HandOver's minutes", 0.0, LONGEST_HAND_OVER, "minutes")
    if minutes == 0:
        raise HandlerFailed("returned a HandOver for no time at all")
    if not isinstance(part.why, str):
        raise HandlerFailed("returned a HandOver whose why is no text")
    return HandOver(minutes, cut(part.why))


def _number(found: object, what: str, least: float, most: float, unit: str) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not least <= found <= most:
        raise HandlerFailed(f"returned {what} that is not {least:g} to {most:g} {unit}")
    return float(found)
