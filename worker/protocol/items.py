"""What a push or a listing says, as typed values. Pure.

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
  and a digest of what came, so that a push that comes twice is still one. Who is at the other end of an order's notice,
  and its item, stand in `4.reminderUrl` where `4` is an object.
* The platform wrote what has `1.7` = 1, content type 14, 25 or 26, a `dxCard`, or a task in `bizTag`, also where the
  sender is a person, or this account itself.
* A group has `sessionType` 30. Who is at the other end of a talk stands in `peerUserId` of `1.10.reminderUrl`.
* Signals are left out: typing (objectType 40006, or a list of objects in `1`), a session (objectType 370000, or
  `operation.content.sessionArouse`), the new-message notice (objectType 40000: conversation in `1`, id in `3`).
* A listed message has no `1.7`, so a card of plain text is a `text` there: id `messageId`, time `createAt`, content
  the base64 of `content.custom.data`, and in `extension` what a push has in `1.10`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from xyfleet.worker.protocol.chat_content import ChatContent, addressed, packed, parsed
from xyfleet.worker.protocol.json_values import Json, as_dict, as_id, as_int, as_ms, as_text, is_address
from xyfleet.worker.protocol.message import Kind
from xyfleet.worker.protocol.payload import MOST_IN_FRAME, Budget, TooMany, Undecodable, plain, read_json, unpack

_PLATFORM: Final = 1
"""The `1.7` of what the platform says; a person's is 2."""
_CHAT_TYPE: Final = 40000
_RECALLS: Final = (40101, 40104)
_RECEIPTS: Final = (40102, 40103)
_TYPING: Final = 40006
_SESSION: Final = 370000
_MESSAGE: Final = ".PNM"
"""What a message's id ends in."""
_AROUSE: Final = 8
"""Content type of a session's signal."""
_LONGEST_ID: Final = 200
MOST_ITEMS: Final = 128
"""Items of a push that are read; up to 32 were seen. What more there is becomes one item, `partial`."""
_MOST_LISTED: Final = 1000
"""Values in the content of one listed message."""
_NULL: Final = msgspec.Raw(b"null")
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


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


class _Item(msgspec.Struct):
    objectType: msgspec.Raw = _NULL
    data: msgspec.Raw = _NULL


_END: Final = msgspec.Raw(b"")
# The first elements of a list; what follows them is passed over, and never built.
_FirstItems: Final = msgspec.defstruct(
    "_FirstItems", [(f"item{n}", msgspec.Raw, _END) for n in range(MOST_ITEMS + 1)], array_like=True
)


_UsualPackage: Final = msgspec.defstruct("_UsualPackage", [("data", _FirstItems | None, None)])
_UsualBody: Final = msgspec.defstruct("_UsualBody", [("syncPushPackage", _UsualPackage | None, None)])


class _Body(msgspec.Struct):
    syncPushPackage: msgspec.Raw = _NULL


class _Package(msgspec.Struct):
    data: msgspec.Raw = _NULL


class _Reading(NamedTuple):
    """Whose item is read, and how many values it may hold."""

    me: str
    budget: Budget


_usual_body: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(_UsualBody)
_body: Final = msgspec.json.Decoder(_Body)
_package: Final = msgspec.json.Decoder(_Package)
_anything: Final = msgspec.json.Decoder()
_item: Final = msgspec.json.Decoder(_Item)


def pushed(body: bytes, me: str) -> list[IncomingItem]:
    """
    Return what the body of a push brings, in its order; nothing where it has no package. Never raises.

    Args:
        me: This account's user id, which tells its own messages.
    """
    return [incoming for incoming in each_pushed(body, me) if incoming is not None]


def each_pushed(body: bytes, me: str) -> Iterator[IncomingItem | None]:
    """As `pushed`, but decode an item a step; None = it was a signal. A large push takes longer than a loop may."""
    budget = Budget(MOST_IN_FRAME)
    raws = _items(body)
    for raw in raws[:MOST_ITEMS]:
        part = budget.part()
        yield _one(bytes(raw), _Reading(me, part))
        budget.join(part)
    if len(raws) > MOST_ITEMS:
        yield _left_out(body, f"more than {MOST_ITEMS} items")


def listed(model: Any, conversation: str, item: str | None, me: str) -> IncomingItem | None:
    """
    Return one element of `userMessageModels`, or None if it has no message id. Never raises.

    Args:
        conversation: The one that was asked for, with or without `@goofish`.
        item: Id of the item that the conversation is about.
        me: This account's user id.
    """
    raw = _plain_or_none(model)
    message = as_dict(as_dict(raw or model).get("message"))
    message_id = as_id(message.get("messageId"))
    if message_id is None or len(message_id) > _LONGEST_ID:
        return None
    custom = as_dict(as_dict(message.get("content")).get("custom"))
    content = packed(custom.get("data"), Budget(_MOST_LISTED))
    said = ChatContent(as_dict(message.get("extension")), content, custom.get("type"), False)
    return IncomingItem(
        id=message_id,
        conversation=as_id(conversation),
        item=item or said.item,
        sender=said.sender,
        sender_name=said.name,
        kind=said.kind,
        text=said.text,
        time=as_ms(message.get("createAt")),
        own=said.sender == me,
        raw=raw,
        platform=said.platform,
        peer=_other(said.peer, me),
        group=said.group,
    )


# The items of a push.


def _items(body: bytes) -> list[msgspec.Raw]:
    """Return the items undecoded, so that none can spoil the others. One that is no list is one item."""
    try:
        package = _usual_body.decode(body).syncPushPackage
    except _UNDECODABLE:
        return _odd_items(body)
    if package is None or package.data is None:
        return []
    return [raw for raw in msgspec.structs.astuple(package.data) if raw is not _END]


def _odd_items(body: bytes) -> list[msgspec.Raw]:
    """Return what a package of another shape holds, as one item."""
    try:
        package = _body.decode(body).syncPushPackage
    except _UNDECODABLE:
        return []
    try:
        data = _package.decode(package).data
    except _UNDECODABLE:
        data = package
    return [] if bytes(data) == b"null" else [data]


def _one(raw: bytes, reading: _Reading) -> IncomingItem | None:
    """Return what one item says, None for a signal."""
    try:
        item = _item.decode(raw)
        data = bytes(item.data)
        number = as_int(_anything.decode(item.objectType)) if len(bytes(item.objectType)) < _LONGEST_ID else None
        text = _anything.decode(data) if data[:1] == b'"' else None
    except _UNDECODABLE:
        return _unknown(raw, raw.decode("utf-8", "replace"))
    if not isinstance(text, str) and data[:1] != b"{":
        return _unknown(raw, raw.decode("utf-8", "replace"))
    seed, written = (text.encode(), text) if isinstance(text, str) else (raw, raw.decode("utf-8", "replace"))
    try:
        payload = unpack(text, reading.budget) if isinstance(text, str) else read_json(data, reading.budget)
    except TooMany:
        return _left_out(seed, written)
    except Undecodable:
        return _unknown(seed, written)
    return _read(number, payload, seed, reading) if isinstance(payload, dict) else _unknown(seed, payload)


def _left_out(seed: bytes, raw: str) -> IncomingItem:
    return msgspec.structs.replace(_unknown(seed, raw), partial=True)


def _read(number: int | None, payload: Json, seed: bytes, reading: _Reading) -> IncomingItem | None:
    """Return what a payload says, None for a signal."""
    if _is_chat(payload):
        chat = _chat(payload, seed, reading)
        return msgspec.structs.replace(chat, kind="recall", id=_made_id("recall", seed)) if number in _RECALLS else chat
    if isinstance(as_dict(payload.get("3")).get("redReminder"), str):
        return _order(payload, seed, reading)
    if number in _RECALLS:
        return _recall(payload, seed)
    if number in _RECEIPTS or _is_receipt(payload):
        return _receipt(payload, seed)
    if isinstance(as_dict(payload.get("4")).get("reminderContent"), str):
        return _changed_card(payload, seed, reading)
    return None if _is_signal(number, payload) else _unknown(seed, payload)


def _is_chat(payload: Json) -> bool:
    head = as_dict(payload.get("1"))
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


def _chat(payload: Json, seed: bytes, reading: _Reading) -> IncomingItem:
    head = as_dict(payload["1"])
    body = as_dict(as_dict(head.get("6")).get("3"))
    content = parsed(body.get("5"), reading.budget)
    said = ChatContent(as_dict(head.get("10")), content, body.get("4"), as_int(head.get("7")) == _PLATFORM)
    sender = said.sender or as_id(as_dict(head.get("1")).get("1"))
    own_id = as_id(head.get("3"), cut=False)
    return IncomingItem(
        id=_fitting(own_id) or _made_id(said.kind, seed),
        conversation=as_id(head.get("2")),
        item=said.item,
        sender=sender,
        sender_name=said.name,
        kind=said.kind,
        text=said.text or as_text(body.get("2")),
        time=as_ms(head.get("5")),
        own=sender == reading.me,
        raw=payload,
        platform=said.platform,
        peer=_other(said.peer, reading.me),
        group=said.group,
    )


def _changed_card(payload: Json, seed: bytes, reading: _Reading) -> IncomingItem:
    said = ChatContent(as_dict(payload["4"]), {}, None, True)
    changed, talk = as_text(payload.get("1")), payload.get("2")
    id_ = _fitting(changed) if changed.endswith(_MESSAGE) else None
    digest = _made_id("card", seed)
    return IncomingItem(
        id=id_ or digest,
        update_id=f"{id_}:{digest}" if id_ else None,
        conversation=as_id(talk) if is_address(talk) else said.talk,
        item=said.item,
        sender=said.sender,
        sender_name=said.name,
        kind="card",
        text=said.text,
        time=as_ms(payload.get("5")),
        own=said.sender == reading.me,
        raw=payload,
        platform=True,
        peer=_other(said.peer, reading.me),
        group=said.group,
    )


def _order(payload: Json, seed: bytes, reading: _Reading) -> IncomingItem:
    said, people = payload["3"], as_dict(payload.get("4"))
    named = addressed(people.get("reminderUrl"))
    about = as_text(payload.get("1"))
    return IncomingItem(
        id=_made_id("order", seed),
        conversation=as_id(about) if is_address(about) else named.get("sid"),
        item=as_id(said.get("itemId")) or named.get("itemId"),
        sender=_other(as_id(people.get("senderUserId")) or as_id(said.get("extUserId")), reading.me),
        kind="order",
        text=as_text(said["redReminder"]),
        time=as_ms(payload.get("4")) or as_ms(payload.get("5")),
        raw=payload,
        platform=True,
        peer=_other(as_id(named.get("peerUserId")), reading.me),
        about=about if about.endswith(_MESSAGE) else None,
    )


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


def _other(user: str | None, me: str) -> str | None:
    """Return a user, unless it is this account itself."""
    return None if user == me else user


def _fitting(id_: str | None) -> str | None:
    return id_ if id_ and len(id_) <= _LONGEST_ID else None


def _unknown(seed: bytes, raw: object) -> IncomingItem:
    return IncomingItem(id=_made_id("unknown", seed), kind="unknown", raw=raw)


def _made_id(kind: Kind, seed: bytes) -> str:
    return f"{kind}:{hashlib.blake2b(seed, digest_size=16).hexdigest()}"


def _plain_or_none(value: object) -> Any:
    try:
        return plain(value)
    except Undecodable:
        return None
