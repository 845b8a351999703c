"""Turns what somebody asks to be pushed (`POST /_sim/push`) into push items and stored messages. Pure."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final, Literal

import msgspec

from xyfleet.supervisor.simulator import payloads, trade
from xyfleet.supervisor.simulator.mailbox import Message, Trade

PEER: Final = "3300000000002"
CONVERSATION: Final = "51000000001"
ITEM: Final = "900000000001"


class Wanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One item to push; what is not given is filled in."""

    type: Literal[
        "text",
        "image",
        "card",
        "update",
        "context",
        "echo",
        "receipt",
        "recall",
        "delete",
        "typing",
        "order",
        "session",
        "json",
        "msgpack",
        "bad",
    ] = "text"
    text: str = ""
    id: str | None = None
    """PNM id; absent = a new one."""
    ids: list[str] = []
    """Of a receipt: the messages that were read."""
    conversation: str = CONVERSATION
    peer: str = PEER
    """The other side of the talk; the sender too, except of an echo."""
    name: str = "买家甲"
    item: str = ITEM
    time: int | None = None
    """Milliseconds; absent = now."""
    order: str | None = None
    """Of a card, an update or a context: the order's id; absent = made of the message's."""
    status: Literal["created", "paid", "shipped", "received", "reviewed", "refunding", "refunded", "closed"] = "created"
    form: Literal["flat", "nested"] = "flat"
    """Of a card: its envelope."""
    content: dict[str, Any] | None = None
    """Of a message: its content as it is, with a `contentType`."""
    payload: Any = None
    """Of `json` and `msgpack`: the payload as it is; of `bad`: its bytes in base64."""
    object_type: int = 40000


class PushRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /_sim/push`."""

    unb: str
    items: list[Wanted] = []
    texts: list[str] = []
    """Short for items of type text."""
    per_frame: int = payloads.MOST_ITEMS
    lwp: str | None = None
    """Absent: /s/para for typing alone, else /s/sync."""
    code: int | None = None
    """Put beside `lwp`, as some captured pushes have it."""
    duplicate: bool = False
    """Whether every frame goes out twice, under two mids."""
    deliver: bool = True
    """False: only kept for the calls that list messages, never pushed."""

    def wanted(self) -> list[Wanted]:
        """Return all items asked for."""
        return [*self.items, *(Wanted(text=text) for text in self.texts)]

    def path(self) -> str:
        """Return the `lwp` of the frames."""
        quiet = all(one.type == "typing" for one in self.wanted())
        return self.lwp or ("/s/para" if quiet else "/s/sync")


class Composed(msgspec.Struct):
    """One item as it goes out, its id, and the message to keep (None for what is no message)."""

    item: dict[str, Any]
    id: str
    message: Message | None = None


def compose(wanted: Wanted, me: str, new_id: str, time: int) -> Composed:
    """Make one item for the account `me`."""
    message_id, talk = wanted.id or new_id, wanted.conversation
    match wanted.type:
        case "text" | "image" | "card" | "echo":
            make_message = _card if wanted.type == "card" else _message
            message = make_message(wanted, me, message_id, time)
            return Composed(payloads.chat(message), message_id, message)
        case "receipt":
            item = payloads.read_receipt(wanted.ids or [message_id], talk, time)
        case "recall":
            item = payloads.recall(message_id, talk, time)
        case "delete":
            item = payloads.delete(message_id, talk, time)
        case "typing":
            item = payloads.typing(talk, wanted.peer)
        case "order":
            item = payloads.order_status(f"{talk}@goofish", wanted.text or "等待卖家发货", time)
        case "update" | "context":
            card = _card(wanted, me, message_id, time)
            assert card.trade is not None
            make = trade.update if wanted.type == "update" else trade.context
            item = payloads.item(40000, make(card, card.trade))
        case "session":
            item = payloads.session_arouse(talk, wanted.peer, wanted.item, time)
        case "json" | "msgpack":
            item = payloads.item(wanted.object_type, wanted.payload, plain=wanted.type == "json")
        case "bad":
            raw = base64.b64decode(wanted.payload) if isinstance(wanted.payload, str) else b"\xc1"
            item = payloads.raw_item(wanted.object_type, raw)
    return Composed(item, message_id)


def _hex(message_id: str) -> str:
    return hashlib.md5(message_id.encode(), usedforsecurity=False).hexdigest()


def _message(wanted: Wanted, me: str, message_id: str, time: int) -> Message:
    content_type = (wanted.content or {}).get("contentType", 2 if wanted.type == "image" else 1)
    return Message(
        id=message_id,
        conversation=wanted.conversation,
        sender=me if wanted.type == "echo" else wanted.peer,
        name=wanted.name,
        text=wanted.text or "你好",
        time=time,
        item=wanted.item,
        content_type=content_type,
        content=wanted.content,
        hex_id=_hex(message_id),
    )


def _card(wanted: Wanted, me: str, message_id: str, time: int) -> Message:
    stage = trade.STAGES[wanted.status]
    order = wanted.order or f"51{int(_hex(message_id)[:13], 16):017d}"
    message = Message(
        id=message_id,
        conversation=wanted.conversation,
        sender=me if stage.own and wanted.type == "card" else wanted.peer,
        name=stage.headline,
        text=wanted.text or stage.text,
        time=time,
        item=wanted.item,
        content_type=stage.content_type,
        hex_id=_hex(message_id),
        task=stage.task,
        trade=Trade(order, wanted.status, wanted.form),
        owner=me,
    )
    assert message.trade is not None
    message.content = trade.content(message, message.trade)
    return message
