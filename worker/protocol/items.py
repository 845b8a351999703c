"""What a push or a listing brings, as typed values: how many items and values are read, and none raises. Pure.

What an item says: `xyfleet.worker.protocol.item_shapes`. Sources: docs/protocol.md and its vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from xyfleet.worker.protocol.chat_content import ChatContent, packed, parsed
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.item_shapes import (
    Reading,
    fields_of,
    fitting,
    head_of,
    of_card,
    other,
    read,
    unknown,
)
from xyfleet.worker.protocol.json_values import LONGEST_ID, as_dict, as_id, as_int, as_ms
from xyfleet.worker.protocol.payload import MOST_IN_FRAME, Budget, TooMany, Undecodable, plain, read_json, unpack
from xyfleet.worker.protocol.trade import Parts

MOST_ITEMS: Final = 128
"""Items of a push that are read; up to 32 were seen. What more there is becomes one item, `partial`."""
_MOST_LISTED: Final = 1000
"""Values in the content of one listed message."""
_NOTHING: Final = (b"", b"null", b"{}", b"[]", b'""')
_NULL: Final = msgspec.Raw(b"null")
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Item(msgspec.Struct):
    objectType: msgspec.Raw = _NULL
    data: msgspec.Raw = _NULL


_END: Final = msgspec.Raw(b"")
# The first elements of a list; what follows them is passed over, and never built.
_FirstItems: Final = msgspec.defstruct(
    "_FirstItems", [(f"item{n}", msgspec.Raw, _END) for n in range(MOST_ITEMS + 1)], array_like=True
)


_UsualPackage: Final = msgspec.defstruct(
    "_UsualPackage", [("data", _FirstItems | None, None), ("maxPts", msgspec.Raw, _END)]
)
_UsualBody: Final = msgspec.defstruct("_UsualBody", [("syncPushPackage", _UsualPackage | None, None)])


class _Body(msgspec.Struct):
    syncPushPackage: msgspec.Raw = _NULL


class _Package(msgspec.Struct):
    data: msgspec.Raw = _NULL


_usual_body: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(_UsualBody)
_body: Final = msgspec.json.Decoder(_Body)
_package: Final = msgspec.json.Decoder(_Package)
_anything: Final = msgspec.json.Decoder()
_item: Final = msgspec.json.Decoder(_Item)


def pushed(body: bytes, me: str) -> list[IncomingItem]:
    """
    Return what the body of a push brings, in its order; nothing where it has no package. Never raises.

    A body that is of no form that we know is one item of the kind `unknown`: nothing that may be a message is lost.

    Args:
        me: This account's user id, which tells its own messages.
    """
    return [incoming for incoming in each_pushed(body, me) if incoming is not None]


def each_pushed(body: bytes, me: str) -> Iterator[IncomingItem | None]:
    """As `pushed`, but decode an item a step; None = it was a signal. A large push takes longer than a loop may."""
    budget = Budget(MOST_IN_FRAME)
    raws, position = _items(body)
    for index, raw in enumerate(raws[:MOST_ITEMS]):
        part = budget.part()
        yield _one(bytes(raw), Reading(me, part, position and b"%s:%d" % (position, index)))
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
    if message_id is None or fitting(message_id) is None:
        return None
    custom = as_dict(as_dict(message.get("content")).get("custom"))
    reading = Reading(me, Budget(_MOST_LISTED))
    content = packed(custom.get("data"), reading.budget)
    notice = as_dict(message.get("extension")) or parsed(message.get("extension"), reading.budget)
    said = ChatContent(notice, content, custom.get("type"), False)
    deal = of_card(said, Parts(notice, content, {}), reading)
    return IncomingItem(
        id=message_id,
        conversation=as_id(conversation),
        item=item or said.item,
        content_type=said.type,
        **fields_of(deal),
        sender=said.sender,
        sender_name=said.name,
        kind=said.kind,
        text=said.text,
        time=as_ms(message.get("createAt")),
        own=said.sender == me,
        raw=raw,
        platform=said.platform,
        peer=other(said.peer, me),
        group=said.group,
    )


def again(raw: Any, me: str | None) -> IncomingItem | None:
    """
    Return what a stored payload says, pushed or listed: an older xyfleet did not read all of it. Never raises.

    Args:
        me: This account's user id; None: whoever the payload says it was for.
    """
    payload = as_dict(raw)
    notice = as_dict(head_of(payload).get("10")) or as_dict(payload.get("4"))
    who = me or as_id(notice.get("receiver")) or ""
    if "message" in payload:
        return listed(payload, "", None, who)
    return read(None, payload, b"", Reading(who, Budget())) if payload else None


# The items of a push.


def _items(body: bytes) -> tuple[list[msgspec.Raw], bytes]:
    """Return the items undecoded, so that none can spoil the others, and the push's position. No list is one item."""
    try:
        package = _usual_body.decode(body).syncPushPackage
    except _UNDECODABLE:
        return _odd_items(body), b""
    if package is None or package.data is None:
        return [], b""
    position = bytes(package.maxPts)
    items = [raw for raw in msgspec.structs.astuple(package.data) if raw is not _END]
    return items, position if len(position) < LONGEST_ID else b""


def _odd_items(body: bytes) -> list[msgspec.Raw]:
    """Return what a package of another shape holds, as one item."""
    try:
        package = _body.decode(body).syncPushPackage
    except _UNDECODABLE:
        return [] if body.strip() in _NOTHING else [msgspec.Raw(body)]  # acked and gone, it would be missed by nobody
    try:
        data = _package.decode(package).data
    except _UNDECODABLE:
        data = package
    return [] if bytes(data) == b"null" else [data]


def _one(raw: bytes, reading: Reading) -> IncomingItem | None:
    """Return what one item says, None for a signal."""
    try:
        item = _item.decode(raw)
        data = bytes(item.data)
        number = as_int(_anything.decode(item.objectType)) if len(bytes(item.objectType)) < LONGEST_ID else None
        text = _anything.decode(data) if data[:1] == b'"' else None
    except _UNDECODABLE:
        return unknown(raw, raw.decode("utf-8", "replace"))
    if not isinstance(text, str) and data[:1] != b"{":
        return unknown(raw, raw.decode("utf-8", "replace"))
    seed, written = (text.encode(), text) if isinstance(text, str) else (raw, raw.decode("utf-8", "replace"))
    try:
        payload = unpack(text, reading.budget) if isinstance(text, str) else read_json(data, reading.budget)
    except TooMany:
        return _left_out(seed, written)
    except Undecodable:
        return unknown(seed, written)
    return read(number, payload, seed, reading) if isinstance(payload, dict) else unknown(seed, payload)


def _left_out(seed: bytes, raw: str) -> IncomingItem:
    return msgspec.structs.replace(unknown(seed, raw), partial=True)


def _plain_or_none(value: object) -> Any:
    try:
        return plain(value)
    except Undecodable:
        return None
