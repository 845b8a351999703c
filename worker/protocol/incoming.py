"""One message as a push or a listing brings it: a value of plain fields. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from xyfleet.worker.protocol.message import Kind, OrderStatus, Role


class IncomingItem(msgspec.Struct, frozen=True, kw_only=True):
    """What one item of a push, or one listed message, says; the fields of `Message`."""

    id: str
    conversation: str | None = None
    item: str | None = None
    sender: str | None = None
    sender_name: str | None = None
    kind: Kind
    text: str = ""
    time: int | None = None
    """Milliseconds since the epoch; None = not said."""
    own: bool = False
    raw: Any = None
    """Can always be encoded as JSON."""
    content_type: int | None = None
    order: str | None = None
    order_status: OrderStatus | None = None
    role: Role | None = None
    buyer: str | None = None
    platform: bool = False
    """Whether the platform wrote it, in whoever's name."""
    peer: str | None = None
    """User id of who is at the other end, where it is said."""
    group: bool = False
    about: str | None = None
    """Id of the message that a notice is about: it is in the same conversation."""
    update_id: str | None = None
    """Its id where `id` is in the inbox already, because this changes that card."""
    partial: bool = False
    """Whether more came than is read: what is left out is to be looked for in the listings."""
