"""Which order a card or a notice is about, what became of it, and who its buyer is. Pure.

Only of what the platform wrote: a person can type any of its words. Sources: docs/protocol.md, Orders.

* Order: the first that is there of `order_detail?id=` or `orderId=` or `bizOrderId=` in the addresses of the card, its
  `orderId`, its `updateKey`, the trade in `1.8.extra`. Never the id of an item, and never a float.
* Role: `role=` of these addresses, else the end of the task's name, else whether the item is this account's.
* Buyer: this account itself where it buys; else who is at the other end, where that is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from xyfleet.worker.protocol import trade_status
from xyfleet.worker.protocol.chat_content import addressed, parsed
from xyfleet.worker.protocol.json_values import Json, as_dict, as_id, as_int, as_text
from xyfleet.worker.protocol.message import OrderStatus, Role
from xyfleet.worker.protocol.payload import Budget

_IN_ADDRESS: Final = re.compile(
    r"order_detail\?(?:[^#\s]*&)?id=([0-9]{6,32})(?![0-9])|[?&](?:bizOrderId|orderId)=([0-9]{6,32})(?![0-9])", re.I
)
_ROLE: Final = re.compile(r"[?&]role=(seller|buyer)\b", re.I)
_ORDER: Final = re.compile(r"[0-9]{6,32}")
_IN_KEY: Final = re.compile(r"[0-9]{15,20}")
_CHANGED: Final = "_CONTENT_MAP_UPDATE_PRE_dxCard."
"""What the keys of a changed card's new parts begin with; the rest is the part's path in the card."""
_WORDS: Final = ("title", "targetUrl", "orderId")
_PERSON: Final = re.compile(r'"sourceId":\s*"S:')
_MOST_PARTS: Final = 40
"""Parts of a card that are looked at."""


class Trade(NamedTuple):
    """What is said of an order."""

    order: str | None = None
    order_status: OrderStatus | None = None
    role: Role | None = None
    buyer: str | None = None
    conversation: str | None = None
    """Named beside the order."""


NONE: Final = Trade()


class Parts(NamedTuple):
    """Where a card says it."""

    notice: Json
    """What a push has in `1.10` or, of a change, in `4`; a listing in `extension`."""
    content: Json
    extra: Json
    """`1.8.extra` of a push."""
    is_change: bool = False


def is_typed(notice: Json) -> bool:
    """Tell whether the notice's tag is that of a message which a person typed."""
    return _PERSON.search(as_text(notice.get("bizTag"))) is not None


def declared_type(notice: Json, budget: Budget) -> int | None:
    """Return the content type in a notice's `extJson`, where a change has it."""
    return as_int(parsed(notice.get("extJson"), budget).get("contentType"))


def of_card(parts: Parts, me: str, budget: Budget) -> Trade:
    """Return what a card, a tip or a change says of an order; nothing, for most say nothing."""
    notice = parts.notice
    key = as_text(parsed(notice.get("extJson"), budget).get("updateKey")) or as_text(notice.get("updateKey"))
    shown = list(_shown(parts, budget))
    addresses = [text for part in shown if (text := as_text(part.get("targetUrl")))]
    status = trade_status.of_card(
        as_text(notice.get("redReminder")),
        [as_text(notice.get("reminderContent")), *(as_text(part.get("title")) for part in shown)],
        (as_text(part.get("text")) for part in shown),
        "" if parts.is_change else key,
    )
    order = _order(addresses, shown, key, parts.extra)
    role = _role(addresses, as_text(notice.get("bizTag")))
    if order is None and status is None and role is None:
        return NONE
    named = addressed(notice.get("reminderUrl"))
    talk = named.get("sid") or (key.split(":")[0] if key and key.split(":")[0].isdecimal() else None)
    return Trade(order, status, role, _buyer(role, me, named.get("peerUserId"), notice.get("senderUserId")), talk)


def of_notice(said: Json, people: Json, me: str) -> Trade:
    """Return what an order's notice says, or the context of one, which names its people and its item."""
    seller = as_id(said.get("itemSellerId"))
    role: Role | None = None if seller is None or not me else "seller" if seller == me else "buyer"
    ends = (said.get("extUserId"), addressed(people.get("reminderUrl")).get("peerUserId"), people.get("senderUserId"))
    return Trade(
        _whole(said.get("orderId")),
        trade_status.of_notice(as_text(said.get("redReminder"))),
        role,
        _buyer(role, me, *ends),
    )


def is_context(said: Json) -> bool:
    """Tell whether it names an order's people and item, without a word about its state."""
    return _whole(said.get("orderId")) is not None and "redReminder" not in said


def _shown(parts: Parts, budget: Budget) -> Iterator[Json]:
    """Return the parts of a card that have a title, an address or a button's words; the new ones first."""
    for path, value in list(parts.notice.items()):
        if path.startswith(_CHANGED):
            name = path.rpartition(".")[2]
            yield from [{name: value}] if name in _WORDS else _main(parsed(value, budget), path)
    operation = as_dict(as_dict(parts.content.get("dynamicOperation")).get("changeContent"))
    for card in (parts.content, operation):
        yield from _main(as_dict(as_dict(as_dict(card.get("dxCard")).get("item")).get("main")), "item.main")


def _main(part: Json, path: str) -> Iterator[Json]:
    """Return a part of a card and those in it that are looked at, by the part's path."""
    if path.endswith("main"):
        yield part
        part, path = as_dict(part.get("exContent")), "exContent"
    if path.endswith("exContent"):
        yield {**part, "text": None}
        part = as_dict(part.get("button"))
    yield part


def _order(addresses: list[str], shown: list[Json], key: str, extra: Json) -> str | None:
    for address in addresses[:_MOST_PARTS]:
        if found := _IN_ADDRESS.search(address):
            return found[1] or found[2]
    for part in shown:
        if order := _whole(part.get("orderId")):
            return order
    named = key.split(":")
    if len(named) > 1 and _IN_KEY.fullmatch(named[1]):
        return named[1]
    return _whole(as_dict(extra.get("trade")).get("bizOrderId"))


def _role(addresses: list[str], tag: str) -> Role | None:
    for address in addresses:
        if found := _ROLE.search(address):
            return "seller" if found[1].lower() == "seller" else "buyer"
    if "_卖家" in tag:
        return "seller"
    return "buyer" if "_买家" in tag else None


def _buyer(role: Role | None, me: str, *ends: Any) -> str | None:
    if role == "buyer":
        return me or None
    return next((user for end in ends if (user := as_id(end)) is not None and user != me), None)


def _whole(value: object) -> str | None:
    """Return an order's id as text; a float has lost digits of it, and a truth is none."""
    text = as_id(value, cut=False)
    return text if text is not None and _ORDER.fullmatch(text) else None
