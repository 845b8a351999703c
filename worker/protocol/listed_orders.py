"""An order that the seller's list brought, as a message: what it looks like in the inbox, and as a value. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.json_values import as_dict, as_int, as_text
from xyfleet.worker.protocol.message import Message, millis
from xyfleet.worker.protocol.shop import Order

PREFIX: Final = "listed:"
"""What such a message's id begins with; the rest is the order's."""
_WAITS: Final = "待发货"
"""The platform's words for it, where it says none."""
_KEY: Final = "listed"
"""In the payload, which is ours: the platform's has an address and a phone number."""


def message_of(order: Order, conversation: str | None) -> IncomingItem:
    """Return a paid order as a message, in its conversation where one is known."""
    return IncomingItem(
        id=f"{PREFIX}{order.id}",
        conversation=conversation,
        item=order.item,
        kind="order",
        text=order.status_text or _WAITS,
        time=None if order.time is None else millis(order.time),
        raw={_KEY: msgspec.to_builtins(order)},
        order=order.id,
        order_status="paid",
        role="seller",
        buyer=order.buyer,
        platform=True,
        peer=order.buyer,
    )


def filled(message: Message) -> Message:
    """Return such a message with what its payload has besides."""
    said = as_dict(as_dict(message.raw).get(_KEY))
    amount = as_text(said.get("amount")) or None
    return msgspec.structs.replace(message, quantity=as_int(said.get("quantity")), amount=amount)
