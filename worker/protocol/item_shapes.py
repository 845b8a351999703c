"""What the payload of one item says: its kind by its shape, and the fields of each kind. Pure.

Sources: docs/protocol.md and its vectors. A path such as `1.10.senderUserId` is keys of the payload, one inside of the
other. What an item is follows from its shape first and from its `objectType` second, because that can lie: an order's
notice comes with the number of a chat message.

| kind | known by | text | conversation, time |
|---|---|---|---|
| text | a chat, content type 1 or none, `1.7` not 1 | `text.text` of the content, else the reminder | `1.2`, `1.5` |
| image | a chat, content type 2, `1.7` not 1 | `image.pics.0.url` of the content, else the reminder | `1.2`, `1.5` |
| card | a chat, any other content type | the reminder, else the content's text | `1.2`, `1.5` |
| system | a chat, content type 1, 2 or none, `1.7` = 1 | as text | `1.2`, `1.5` |
| recall | objectType 40101 (delete) or 40104 | none; of a chat as above | `1`, `4`; of a chat as above |
| receipt | objectType 40102 or 40103, or its shape | none | `4`, `6`; with a list of ids `3`, `5` |
| card | a notice with a `reminderContent` in `4` (the flat form: a card was changed) | the reminder | `2`, `5` |
| order | `3.redReminder` | `3.redReminder` | `1` if it is a conversation, `4` |
| unknown | anything else; what can't be decoded | none | none |

* A chat has an object in `1.10` or `1.6`, and a conversation or an id. Its content is JSON text in `1.6.3.5`, the
  content type `contentType` in it, else `1.6.3.4`. Its id is `1.3`; sender `1.10.senderUserId`, else `1.1.1`; sender's
  name `1.10.reminderTitle`; item the query `itemId=` of `1.10.reminderUrl`; the reminder `1.10.reminderContent`, else
  `1.6.3.2`. `@goofish` is cut off.
* A receipt's shape: `1` is a message id (`….PNM`) or a list of ids, and the conversation is where the table says.
* The flat form has the id of the card that it changes in `1`. If that card is in the inbox, its own id is that one
  with a digest behind it: an unpaid order's card, say, learns so that it is paid.
* All others have no id of their own (an order's `1` is a conversation, or the message it is about): theirs is the kind
  and a digest of what came, so that a push that comes twice is still one. Of an order's notice it is that of order and
  state where it names the order; where it has no time, the push's `maxPts` and the item's place belong to it. Who is at
  the other end of an order's notice, and its item, stand in `4.reminderUrl` where `4` is an object.
* The platform wrote what has `1.7` = 1, content type 14, 25 or 26, a `dxCard`, or a task in `bizTag`, also where the
  sender is a person, or this account itself.
* A group has `sessionType` 30. Who is at the other end of a talk stands in `peerUserId` of `1.10.reminderUrl`.
* Orders, of what the platform wrote, never where `1.7` = 2: `xyfleet.worker.protocol.trade`. What names an order's
  people and item without a word about its state (`3.orderId`, no `redReminder`) is an `order` with no text.
* A chat comes in two envelopes: its head in `1`, or one level deeper in `1.1`, with `7` beside it.
* Signals are left out: typing (objectType 40006, or a list of objects in `1`), a session (objectType 370000, or
  `operation.content.sessionArouse`), the new-message notice (objectType 40000: conversation in `1`, id in `3`).
* A listed message has no `1.7`, so a card of plain text is a `text` there: id `messageId`, time `createAt`, content
  the base64 of `content.custom.data`, and in `extension` what a push has in `1.10`.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

import msgspec

from xyfleet.worker.protocol import trade
from xyfleet.worker.protocol.chat_content import ChatContent, addressed, parsed
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.json_values import LONGEST_ID, Json, as_dict, as_id, as_int, as_ms, as_text, is_address
from xyfleet.worker.protocol.message import Kind
from xyfleet.worker.protocol.payload import Budget
from xyfleet.worker.protocol.trade import Parts, Trade

_PLATFORM: Final = 1
"""The `1.7` of what the platform says; a person's is 2."""
_PERSON: Final = 2
_CHAT_TYPE: Final = 40000
_RECALLS: Final = (40101, 40104)
_RECEIPTS: Final = (40102, 40103)
_TYPING: Final = 40006
_SESSION: Final = 370000
_MESSAGE: Final = ".PNM"
"""What a message's id ends in."""
_AROUSE: Final = 8
"""Content type of a session's signal."""


class Reading(NamedTuple):
    """Whose item is read, and how many values it may hold."""

    me: str
    budget: Budget
    place: bytes = b""
    """The position of its push, and which item of it this is; a second copy of the push has the same. b"" = unknown."""


def read(number: int | None, payload: Json, seed: bytes, reading: Reading) -> IncomingItem | None:
    """Return what a payload says, None for a signal."""
    if _is_chat(payload):
        chat = _chat(payload, seed, reading)
        return msgspec.structs.replace(chat, kind="recall", id=_made_id("recall", seed)) if number in _RECALLS else chat
    said = as_dict(payload.get("3"))
    if isinstance(said.get("redReminder"), str) or (trade.is_context(said) and is_address(payload.get("1"))):
        return _order(payload, seed, reading)
    if number in _RECALLS:
        return _recall(payload, seed)
    if number in _RECEIPTS or _is_receipt(payload):
        return _receipt(payload, seed)
    if isinstance(as_dict(payload.get("4")).get("reminderContent"), str):
        return _changed_card(payload, seed, reading)
    return None if _is_signal(number, payload) else unknown(seed, payload)


def head_of(payload: Json) -> Json:
    """Return the head of a chat: `1`, or what is one level deeper, with what stands beside that."""
    outer = as_dict(payload.get("1"))
    inner = as_dict(outer.get("1"))
    is_nested = isinstance(inner.get("10"), dict) or isinstance(inner.get("6"), dict)
    return {**{key: value for key, value in outer.items() if key != "1"}, **inner} if is_nested else outer


def _is_chat(payload: Json) -> bool:
    head = head_of(payload)
    says = isinstance(head.get("10"), dict) or isinstance(head.get("6"), dict)
    return says and (as_id(head.get("2")) or as_id(head.get("3"))) is not None


def _is_receipt(payload: Json) -> bool:
    match payload.get("1"):
        case str() as one:
            return one.endswith(_MESSAGE) and is_address(payload.get("4"))
        case [*ids]:
            return bool(ids) and all(isinstance(one, str) for one in ids) and is_address(payload.get("3"))
        case _:
            return False


def _is_signal(number: int | None, payload: Json) -> bool:
    """Tell typing, sessions and the new-message notice from what is really unknown."""
    content = as_dict(as_dict(payload.get("operation")).get("content"))
    if "sessionArouse" in content:
        return True
    if number == _SESSION:
        return as_int(content.get("contentType", _AROUSE)) == _AROUSE
    match payload.get("1"):
        case str() as talk:
            return number == _TYPING or (number == _CHAT_TYPE and is_address(talk) and bool(as_text(payload.get("3"))))
        case [dict(), *rest]:
            return all(isinstance(one, dict) for one in rest)
        case _:
            return number == _TYPING


def _chat(payload: Json, seed: bytes, reading: Reading) -> IncomingItem:
    head = head_of(payload)
    body = as_dict(as_dict(head.get("6")).get("3"))
    content = parsed(body.get("5"), reading.budget)
    notice = as_dict(head.get("10"))
    said = ChatContent(notice, content, body.get("4"), as_int(head.get("7")) == _PLATFORM)
    extra = parsed(as_dict(head.get("8")).get("extra"), reading.budget)
    # A client of a person's own making may send a card that says "paid"; the platform's has another number there.
    is_persons = as_int(head.get("7")) == _PERSON
    deal = trade.NONE if is_persons else of_card(said, Parts(notice, content, extra), reading)
    sender = said.sender or as_id(as_dict(head.get("1")).get("1"))
    own_id = as_id(head.get("3"), cut=False)
    return IncomingItem(
        id=fitting(own_id) or _made_id(said.kind, seed),
        conversation=as_id(head.get("2")) or said.talk or deal.conversation,
        item=said.item,
        content_type=said.type,
        **fields_of(deal),
        sender=sender,
        sender_name=said.name,
        kind=said.kind,
        text=said.text or as_text(body.get("2")),
        time=as_ms(head.get("5")),
        own=sender == reading.me,
        raw=payload,
        platform=said.platform,
        peer=other(said.peer, reading.me),
        group=said.group,
    )


def _changed_card(payload: Json, seed: bytes, reading: Reading) -> IncomingItem:
    notice = as_dict(payload["4"])
    typed = trade.is_typed(notice)
    said = ChatContent(notice, {}, trade.declared_type(notice, reading.budget), not typed)
    deal = of_card(said, Parts(notice, {}, {}, is_change=True), reading)
    changed, talk = as_text(payload.get("1")), payload.get("2")
    id_ = fitting(changed) if changed.endswith(_MESSAGE) else None
    digest = _made_id("card", seed)
    return IncomingItem(
        id=id_ or digest,
        update_id=f"{id_}:{digest}" if id_ else None,
        conversation=as_id(talk) if is_address(talk) else said.talk or deal.conversation,
        item=said.item,
        content_type=said.type,
        **fields_of(deal),
        sender=said.sender,
        sender_name=said.name,
        kind="card",
        text=said.text,
        time=as_ms(payload.get("5")),
        own=said.sender == reading.me,
        raw=payload,
        platform=said.platform,
        peer=other(said.peer, reading.me),
        group=said.group,
    )


def _order(payload: Json, seed: bytes, reading: Reading) -> IncomingItem:
    said, people = payload["3"], as_dict(payload.get("4"))
    named = addressed(people.get("reminderUrl"))
    about, text = as_text(payload.get("1")), as_text(said.get("redReminder"))
    time = as_ms(payload.get("4")) or as_ms(payload.get("5"))
    deal = trade.of_notice(said, people, reading.me)
    # Without a time a buyer's second order says what the first one did.
    key = f"{deal.order}:{text}".encode() if deal.order else seed if time else seed + reading.place
    return IncomingItem(
        id=_made_id("order", key),
        conversation=as_id(about) if is_address(about) else named.get("sid"),
        item=as_id(said.get("itemId")) or named.get("itemId"),
        **fields_of(deal),
        sender=other(as_id(people.get("senderUserId")) or as_id(said.get("extUserId")), reading.me),
        kind="order",
        text=text,
        time=time,
        raw=payload,
        platform=True,
        peer=other(as_id(named.get("peerUserId")), reading.me),
        about=about if about.endswith(_MESSAGE) else None,
    )


def of_card(said: ChatContent, parts: Parts, reading: Reading) -> Trade:
    """Return what a message says of an order: nothing, if a person typed it."""
    if not said.platform or trade.is_typed(parts.notice):
        return trade.NONE
    return trade.of_card(parts, reading.me, reading.budget)


def fields_of(deal: Trade) -> dict[str, Any]:
    """Return the fields of a message that are about an order."""
    return {"order": deal.order, "order_status": deal.order_status, "role": deal.role, "buyer": deal.buyer}


def _recall(payload: Json, seed: bytes) -> IncomingItem:
    talk = payload.get("1")
    return IncomingItem(
        id=_made_id("recall", seed),
        conversation=as_id(talk) if is_address(talk) else None,
        kind="recall",
        time=as_ms(payload.get("4")),
        raw=payload,
    )


def _receipt(payload: Json, seed: bytes) -> IncomingItem:
    talk, time = ("3", "5") if isinstance(payload.get("1"), list) else ("4", "6")
    return IncomingItem(
        id=_made_id("receipt", seed),
        conversation=as_id(payload.get(talk)) if is_address(payload.get(talk)) else None,
        kind="receipt",
        time=as_ms(payload.get(time)),
        raw=payload,
    )


def other(user: str | None, me: str) -> str | None:
    """Return a user, unless it is this account itself."""
    return None if user == me else user


def fitting(id_: str | None) -> str | None:
    """Return an id that is not too long to be one."""
    return id_ if id_ and len(id_) <= LONGEST_ID else None


def unknown(seed: bytes, raw: object) -> IncomingItem:
    """Return what is none of the known kinds."""
    return IncomingItem(id=_made_id("unknown", seed), kind="unknown", raw=raw)


def _made_id(kind: Kind, seed: bytes) -> str:
    return f"{kind}:{hashlib.blake2b(seed, digest_size=16).hexdigest()}"
