"""One message of a talk: the value, and the one JSON form that it has everywhere. Pure.

The same fields are in the lines of `xyfleet messages --json`, in the API, in its stream, in a webhook's body, and the
attributes of what a Python handler gets (docs/handlers.md).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

Kind = Literal["text", "image", "card", "system", "receipt", "recall", "order", "unknown"]
"""What a message is; where each comes from on the wire: `xyfleet.worker.protocol.item_shapes`."""

OrderStatus = Literal["created", "paid", "shipped", "received", "closed", "refunding", "refunded", "reviewed"]
"""What has become of an order, as the platform told it (`xyfleet.worker.protocol.trade_status`)."""
Role = Literal["seller", "buyer"]

ANSWERABLE: Final[frozenset[str]] = frozenset({"text", "image", "card", "system", "order"})
"""Kinds that a handler hears of; the others wait in the inbox for the API alone."""

TALK: Final[frozenset[str]] = frozenset({"text", "image"})
"""Kinds that people talk in. What a person typed quiets the handler for these alone: what is paid is delivered."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message, as the inbox has it."""

    account: str
    """Name of the account that received it."""
    id: str
    """The server's id (`….PNM`); receipts, recalls, order notices and unknown items, which have none of their own,
    get their kind and a digest of their payload (`receipt:1f…`). Never twice in one inbox."""
    conversation: str | None = None
    """Conversation id, without `@goofish`."""
    item: str | None = None
    """Id of the item for sale that the talk is about."""
    sender: str | None = None
    """User id, without `@goofish`."""
    sender_name: str | None = None
    kind: Kind = "unknown"
    text: str = ""
    """What a person would read; of an image its address."""
    content_type: int | None = None
    """The platform's own number of what it is: 1 text, 2 image, 3 voice, 4 video, 14 tip, 26 card of a trade, …"""
    order: str | None = None
    """Id of the order that the platform names in it."""
    order_status: OrderStatus | None = None
    """What it says has become of that order, beside `text`, the platform's words; null = nothing, or nothing known.
    Never from what a person typed."""
    role: Role | None = None
    """What this account is in that order."""
    buyer: str | None = None
    """User id of that order's buyer."""
    quantity: int | None = None
    """How many were bought, where the list of orders brought it."""
    amount: str | None = None
    """What was paid for all of it, in yuan, where the list of orders brought it."""
    time: str
    """When the server took it, RFC 3339 in UTC, with milliseconds; when it came in, where the server says nothing."""
    own: bool = False
    """Whether this account sent it: through xyfleet, or its owner on the phone."""
    recovered: bool = False
    """Whether it was found by catching up, not pushed."""
    attempt: int = 0
    """Which call of the handler this is, from 1; in listings the number of calls so far."""
    raw: Any = None
    """The decoded payload, keys as text; of what could not be decoded, the text that came."""


class HandedMessage(Message, frozen=True, kw_only=True):
    """A message as a handler gets it."""

    parts: tuple[Message, ...] = ()
    """The lines that are handed over together (`handler_gather`), in their order: this is the last of them, with the
    texts of all in `text`. None where it is a single line."""


def rfc3339(ms: int) -> str:
    """Return milliseconds since the epoch as `2026-01-01T00:00:00.123Z`."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def millis(time: str) -> int:
    """Return the milliseconds since the epoch of an RFC 3339 time, or raise ValueError."""
    return round(datetime.fromisoformat(time).timestamp() * 1000)
