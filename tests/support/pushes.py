"""Pushes made of payloads, and what the decoder makes of them."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
from hypothesis import strategies as st

from support.places import VECTORS_FILE
from xyfleet.supervisor.simulator.compose import CONVERSATION, ITEM, PEER
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.items import pushed

VECTORS: dict[str, Any] = json.loads(VECTORS_FILE.read_text("utf-8"))
PAYLOADS: dict[str, Any] = VECTORS["payloads"]
ME: str = VECTORS["ids"]["me"]
CHAT = {
    "id": "3900000000001.PNM",
    "conversation": CONVERSATION,
    "item": ITEM,
    "sender": PEER,
    "sender_name": "买家甲",
    "kind": "text",
    "text": "你好，还在吗",
    "time": 1767225600123,
    "own": False,
}
_BESIDE = ("raw", "platform", "peer", "group", "about", "update_id", "partial")
"""What is not a message's own, or not shown."""
TRADE = ("content_type", "order", "order_status", "role", "buyer")
"""What is asked for by itself."""


def frame_body(*items: object) -> bytes:
    """Return the body of a push of these items."""
    return json.dumps({"syncPushPackage": {"data": list(items)}}).encode()


def item(data: object, object_type: object = 40000) -> dict[str, Any]:
    """Make an item with this text as its data."""
    return {"bizType": 40, "data": data, "streamId": "40", "objectType": object_type}


def packed(payload: object) -> str:
    """Return the payload as an item's data."""
    return base64.b64encode(msgspec.msgpack.encode(payload)).decode()


def one(payload: object, object_type: object = 40000) -> IncomingItem:
    """Push one payload that must be returned."""
    (found,) = pushed(frame_body(item(packed(payload), object_type)), ME)
    return found


def shown(found: IncomingItem) -> dict[str, Any]:
    """Return the fields of a message, without `raw` and those about orders."""
    return {name: value for name, value in msgspec.structs.asdict(found).items() if name not in (*_BESIDE, *TRADE)}


def traded(found: IncomingItem) -> dict[str, Any]:
    """Return the fields of a message that are about an order."""
    return {name: getattr(found, name) for name in TRADE}


def chat(**head: Any) -> dict[str, Any]:
    """Return the vector's chat with some keys of `1` changed: `_7=1` is `1.7`."""
    payload: dict[str, Any] = json.loads(json.dumps(PAYLOADS["chat_text_in"]["decoded"]))
    payload["1"] |= {key[1:]: value for key, value in head.items()}
    return payload


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
keys = st.sampled_from(["1", "2", "3", "4", "5", "6", "7", "10", "redReminder", "senderUserId", "x", "operation"])
values = st.recursive(
    leaves | st.sampled_from(["5@goofish", "1.PNM", "40000", '{"contentType":2,"image":{"pics":[{}]}}']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)
