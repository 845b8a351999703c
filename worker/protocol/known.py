"""What this version knows of the platform's words; whatever else comes is counted as drift. Pure.

Sources: docs/protocol.md. A number or key that is missing here is no error: the message is read as well as it can be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from xyfleet.worker.protocol.frames import MOST_HEAD
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.json_values import as_dict, as_int
from xyfleet.worker.protocol.payload import Budget, Undecodable, unpack
from xyfleet.worker.protocol.shape import shape, shape_of_bytes

LWPS: Final = frozenset(
    ("/s/sync", "/s/para", "/s/vulcan", "/s/sync_failover", "/push/kickout", "/s/session/remove"),
)
_PARTS: Final = frozenset(("lwp", "code", "headers", "body"))
OBJECT_TYPES: Final = frozenset((40000, 40006, 40101, 40102, 40103, 40104, 370000))
CONTENT_TYPES: Final = frozenset((1, 2, 3, 4, 6, 7, 8, 14, 17, 25, 26, 30))
_HEAD: Final = frozenset(str(number) for number in range(1, 13))
_NOTICE: Final = frozenset(
    (
        "bizTag",
        "closePushReceiver",
        "closeUnreadNumber",
        "csReception",
        "detailNotice",
        "extJson",
        "needPush",
        "receiver",
        "redReminder",
        "redReminderStyle",
        "reminderContent",
        "reminderNotice",
        "reminderTitle",
        "reminderUrl",
        "senderUserId",
        "senderUserType",
        "sessionType",
        "updateHead",
        "updateKey",
        "_appVersion",
        "_platform",
        "clientIp",
        "port",
        "umid",
        "umidToken",
        "utdid",
    )
)
_UPDATE: Final = "_CONTENT_MAP_UPDATE_PRE_"
"""What a card's update has before the path that it changes."""


class _Item(msgspec.Struct):
    objectType: object = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Package(msgspec.Struct):
    data: list[_Item] = []


class _Body(msgspec.Struct):
    syncPushPackage: _Package | None = None


_body: Final = msgspec.json.Decoder(_Body)


def frame_class(raw: bytes) -> str:
    """Return a name for a frame that is neither a push nor a response: the parts that it has."""
    if len(raw) > MOST_HEAD:
        return "large"
    try:
        frame = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "no-json"
    if not isinstance(frame, dict):
        return "no-object"
    return ".".join([*sorted(frame.keys() & _PARTS), *(["others"] if frame.keys() - _PARTS else [])]) or "empty"


def odd_types(body: bytes) -> Iterator[tuple[object, str]]:
    """Yield each unknown `objectType` of a push, and its payload's shape; nothing of a body that is of another form."""
    try:
        package = _body.decode(body).syncPushPackage
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    for item in [] if package is None else package.data:
        number = as_int(item.objectType)
        if number not in OBJECT_TYPES:
            yield "none" if number is None else number, _shape(item.data)


def _shape(data: msgspec.Raw) -> str:
    try:
        return shape(unpack(msgspec.json.decode(data, type=str), Budget()))
    except (msgspec.DecodeError, UnicodeDecodeError, Undecodable):
        return shape_of_bytes(bytes(data))


def strange(item: IncomingItem) -> Iterator[tuple[str, object]]:
    """Yield place and name of each thing in an item of a push that is not known here."""
    if item.kind == "unknown":
        yield "payload", "unknown"
        return
    if item.content_type is not None and item.content_type not in CONTENT_TYPES:
        yield "contentType", item.content_type
    head = as_dict(as_dict(item.raw).get("1"))
    yield from (("key", f"1.{key}") for key in head.keys() - _HEAD)
    for key in as_dict(head.get("10")).keys() - _NOTICE:
        if not key.startswith(_UPDATE):
            yield "key", f"1.10.{key}"
