"""Turns what somebody asks to be pushed (`POST /_sim/push`) into push items and stored messages. Pure."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final, Literal

import msgspec

from xyfleet.supervisor.simulator import payloads
from xyfleet.supervisor.simulator.mailbox import Message

PEER: Final = "3300000000002"
CONVERSATION: Final = "51000000001"
ITEM: Final = "900000000001"


class Wanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One item to push; what is not given is filled in."""

    type: Literal[
        "text",
        "image",
        "card",
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
            message = _message(wanted, me, message_id, time)
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
            item = payloads.order_status(message_id, wanted.text or "等待卖家发货", time)
        case "session":
            item = payloads.session_arouse(talk, wanted.peer, wanted.item, time)
        case "json" | "msgpack":
            item = payloads.item(wanted.object_type, wanted.payload, plain=wanted.type == "json")
        case "bad":
            raw = base64.b64decode(wanted.payload) if isinstance(wanted.payload, str) else b"\xc1"
            item = payloads.raw_item(wanted.object_type, raw)
    return Composed(item, message_id)


def _message(wanted: Wanted, me: str, message_id: str, time: int) -> Message:
    kinds = {"image": 2, "card": 26}
    own, card = wanted.type == "echo", wanted.type == "card"
    return Message(
        id=message_id,
        conversation=wanted.conversation,
        sender=me if own else wanted.peer,
        name="交易消息" if card else wanted.name,
        text=wanted.text or ("[我已拍下，待付款]" if card else "你好"),
        time=time,
        item=wanted.item,
        content_type=kinds.get(wanted.type, 1),
        hex_id="" if card else hashlib.md5(message_id.encode(), usedforsecurity=False).hexdigest(),
        task="已拍下_未付款_卖家" if card else "",
    )
