"""What can be asked about an account's conversations, and what comes back, as values. Pure.

A worker that is asked makes calls on its one connection; nothing of it is stored (`xyfleet.worker.messaging.talks`).
"""

from __future__ import annotations

from typing import Final, Literal, TypeVar

import msgspec

from xyfleet.worker.protocol.message import Message
from xyfleet.worker.protocol.talk_calls import ListedTalk

MOST_LISTED: Final = 200
"""Conversations, or messages, in one answer."""
MOST_BYTES: Final = 512 * 1024
"""Of an answer as JSON; what is more has its oldest part left out."""
PIECE: Final = 2900
"""Bytes of an answer that go up in one message: base64 makes four of three."""

TalkState = Literal[
    "done", "found", "rejected", "unknown", "offline", "busy", "late", "crowded", "stopped", "foreign", "fault"
]
"""
How it ended. Of all behind `unknown` it is certain that nothing was changed.

- `done`
- `found`: a conversation that was to be opened is there already
- `rejected`: the server refused it; `reason` has its words
- `unknown`: it was asked, and nobody knows whether it was done: it is not asked again
- `offline`: there is no connection, or it ended
- `busy`: the server says: not now
- `late`: it did not come to its turn in time
- `crowded`: too many requests wait
- `stopped`: the worker ends
- `foreign`: a message that was to be recalled is not this account's own
- `fault`: a fault in xyfleet, while it only read
"""
_Entry = TypeVar("_Entry")


class ListTalks(msgspec.Struct, frozen=True, tag="list"):
    """The newest conversations."""

    limit: int


class ReadHistory(msgspec.Struct, frozen=True, tag="history"):
    """The newest messages of one."""

    conversation: str
    limit: int


class OpenTalk(msgspec.Struct, frozen=True, tag="open"):
    """One with a user about an item, as it is or opened now."""

    user: str
    item: str


class MarkRead(msgspec.Struct, frozen=True, tag="read"):
    """Say that the newest messages of one were read."""

    conversation: str


class RecallMessage(msgspec.Struct, frozen=True, tag="recall"):
    """Take an own message back."""

    message: str


TalkQuestion = ListTalks | ReadHistory | OpenTalk | MarkRead | RecallMessage


def changes(question: TalkQuestion) -> bool:
    """Tell whether it changes something, so that it must not be asked a second time by itself."""
    return not isinstance(question, ListTalks | ReadHistory)


class TalkAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a question."""

    state: TalkState
    reason: str | None = None
    """One line, where the state alone does not say all."""
    talks: list[ListedTalk] = []
    """Newest first."""
    messages: list[Message] = []
    """Oldest first."""
    more: bool = False
    """Whether there are older ones."""
    conversation: str | None = None
    """The one that was opened or found."""
    count: int = 0
    """Messages that were said to be read."""


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(TalkAnswer)


def pieces(answer: TalkAnswer) -> list[bytes]:
    """Return the answer's bytes in pieces that a message to the supervisor has room for."""
    data = _encode(_fitting(answer))
    return [data[start : start + PIECE] for start in range(0, len(data), PIECE)]


def joined(data: bytes) -> TalkAnswer:
    """Return the answer that these bytes are. Raises `msgspec.MsgspecError`."""
    return _decode.decode(data)


def _fitting(answer: TalkAnswer) -> TalkAnswer:
    """Return the answer with as many of the newest entries as there is room for."""
    talks = _newest(answer.talks)
    messages = _newest(answer.messages[::-1])[::-1]
    more = answer.more or len(talks) < len(answer.talks) or len(messages) < len(answer.messages)
    return msgspec.structs.replace(answer, talks=talks, messages=messages, more=more)


def _newest(entries: list[_Entry]) -> list[_Entry]:
    room, kept = MOST_BYTES, list[_Entry]()
    for entry in entries:
        room -= len(_encode(entry)) + 1
        if room < 0:
            break
        kept.append(entry)
    return kept
