"""What the API answers, where that is no value of the fleet's own: each body's form, once for all (openapi.json). Pure.

Every field is there in each answer, unless its class leaves out what is not known.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from xyfleet.worker.protocol.message import Message
from xyfleet.worker.protocol.talk_calls import ListedTalk


class Acted(msgspec.Struct, frozen=True):
    """What an action came to."""

    done: list[str]
    """Names of accounts."""
    refused: dict[str, str]
    """Why it could not be done to these."""


class Redone(msgspec.Struct, frozen=True):
    """Dead letters that were given to handlers again."""

    done: dict[str, int]
    """How many, by account."""
    refused: dict[str, str]


class LoggedIn(msgspec.Struct, frozen=True):
    """A cookie that was taken."""

    done: list[str]
    warnings: list[str]
    """What is probably wrong with it."""


class QrLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a login by code is; what is not known or not meant is left out."""

    step: Literal["code", "waiting", "scanned", "check", "failed", "done"]
    code: str | None = None
    """What to draw as a QR code."""
    seconds: float | None = None
    """For how long it is asked about."""
    message: str | None = None


class BrowserLogin(msgspec.Struct, frozen=True):
    """What a browser needs in which a person logs an account in."""

    profile: str
    url: str
    domain: str
    language: str
    proxy: str | None


class Ending(msgspec.Struct, frozen=True):
    """The fleet's process: it is gone when the fleet is."""

    pid: int


class LogFile(msgspec.Struct, frozen=True):
    """Where an account's log is; null = it has none."""

    path: str | None


class Talks(msgspec.Struct, frozen=True):
    """Conversations, newest first."""

    talks: list[ListedTalk]
    more: bool
    """Whether there are older ones."""


class History(msgspec.Struct, frozen=True):
    """Messages of a conversation, oldest first."""

    messages: list[Message]
    more: bool


class Recalled(msgspec.Struct, frozen=True):
    """How a change in a conversation ended."""

    state: Annotated[str, Meta(extra_json_schema={"enum": ["done", "found", "rejected", "unknown"]})]
    reason: str | None


class Opened(Recalled, frozen=True):
    """How the opening of a conversation ended, and its id."""

    conversation: str | None


class MarkedRead(Recalled, frozen=True):
    """How marking as read ended, and of how many messages."""

    count: int
