"""An item and an order as the platform describes them when it is asked: values for handlers and for the API. Pure.

Money is a text of yuan such as `9.90`, never a float. Which answers they are read from: docs/protocol.md, "Items and
orders asked for".
"""

from __future__ import annotations

import msgspec

from xyfleet.worker.protocol.message import OrderStatus


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """One of the variants of an item."""

    id: str
    name: str
    """Such as `颜色:红 尺寸:M`."""
    price: str | None = None
    stock: int | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An item for sale. What the platform does not say is null."""

    id: str
    title: str = ""
    price: str | None = None
    description: str = ""
    stock: int | None = None
    seller: str | None = None
    """User id."""
    status: str | None = None
    """The platform's own words, such as `在线`."""
    specs: list[Spec] = []


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order of this account's. What the platform does not say is null."""

    id: str
    item: str | None = None
    title: str = ""
    spec: str | None = None
    """The chosen variant, such as `颜色:红`."""
    quantity: int = 1
    amount: str | None = None
    """What was paid for all of it."""
    buyer: str | None = None
    """User id."""
    buyer_name: str | None = None
    status: OrderStatus | None = None
    status_text: str = ""
    """The platform's own words."""
    time: str | None = None
    """When it was paid, else when it was made, RFC 3339 in UTC."""


class OrderPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the orders that wait for shipment."""

    orders: list[Order]
    more: bool
    """Whether there is another page."""


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is marked as shipped, or will be."""

    order: str
    already: bool = False
    """Whether it was so before: by a person, or by an earlier call."""
    later: bool = False
    """Whether it is yet to be: it is on disk that it is wanted."""
