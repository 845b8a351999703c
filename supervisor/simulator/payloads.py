"""Makes what the server sends: answers, pushes, and the items inside them, as docs/protocol.md describes. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, Final

from xyfleet.supervisor.simulator import trade
from xyfleet.supervisor.simulator.mailbox import Message, content, reminder_url
from xyfleet.supervisor.simulator.old_msgpack import pack
from xyfleet.supervisor.simulator.signing import APP_KEY_IM

UA: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36 "
    "DingTalk(2.1.5) OS(Windows/10) Browser(Chrome/133.0.0.0) DingWeb/2.1.5 IMPaaS DingWeb/2.1.5"
)
MOST_ITEMS: Final = 32
"""Most items that a push was seen with."""

Json = dict[str, Any]


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# Answers.


def answer(mid: str, sid: str, code: int = 200, body: object = None) -> Json:
    """Return the answer to a request; without `body` where there is nothing to say."""
    frame: Json = {"code": code, "headers": {"mid": mid, "sid": sid}}
    return frame if body is None else {**frame, "body": body}


def registered(mid: str, sid: str, unb: str, now_ms: int) -> Json:
    """Return the good answer to `/reg`."""
    headers = {
        "ip-digest": "0" * 32,
        "dt": "j",
        "reg-sid": sid,
        "ip-region-digest": "0" * 32,
        "reg-uid": f"{unb}@goofish",
        "mid": mid,
        "real-ip": "203.0.113.7",
        "sid": sid,
    }
    body = {"unitName": "PNM", "cookie": "", "timestamp": now_ms, "isFromChina": True}
    return {"headers": headers, "code": 200, "body": body}


def refused(mid: str, code: int, reason: str, field: str = "reason", where: str = "body") -> Json:
    """Return a bad answer whose reason stands in any of the places where it was seen."""
    value: object = [reason] if field == "ret" else reason
    frame: Json = {"code": code, "headers": {"mid": mid}, "body": {}}
    frame[where][field] = value
    return frame


def sync_state(now_ms: int) -> Json:
    """Return the body of the answer to `getState`."""
    position = {"highPts": 0, "pts": now_ms * 1000, "seq": 0, "timestamp": now_ms}
    return {"pipeline": "sync", "tooLong2Tag": "PNM,1", "channel": "sync", "topic": "sync", **position}


# Pushes.


def push(lwp: str, mid: str, sid: str, items: Sequence[Json], now_ms: int) -> Json:
    """Return a push of these items."""
    package = {
        "maxHighPts": 0,
        "startSeq": 1,
        "endSeq": len(items),
        "minCreateTime": now_ms,
        "data": list(items),
        "maxPts": 0 if lwp == "/s/para" else now_ms * 1000,
        "hasMore": 0,
        "timestamp": now_ms,
    }
    first = lwp == "/s/vulcan"
    body: Json = {
        "syncPushPackage": package,
        "syncExtensionModel": {"reconnectType": int(first), "failover": 0, "fingerprint": -898528959},
    }
    if first:
        body["syncExtraType"] = {"type": 3 if items else 2}
    return {"headers": {"app-key": APP_KEY_IM, "mid": mid, "ua": UA, "sid": sid}, "lwp": lwp, "body": body}


def control(lwp: str, mid: str, sid: str) -> Json:
    """Return a push without a body: `/push/kickout` or `/s/session/remove`."""
    return {"lwp": lwp, "headers": {"mid": mid, "sid": sid}}


def item(object_type: int, payload: object, *, biz: int = 40, plain: bool = False) -> Json:
    """Return one item; its payload is MessagePack, or JSON text where `plain`."""
    encoded = _compact(payload).encode() if plain else pack(payload)
    return raw_item(object_type, encoded, biz)


def raw_item(object_type: int, payload: bytes, biz: int = 40) -> Json:
    """Return one item with these very bytes as its payload."""
    data = base64.b64encode(payload).decode()
    return {"bizType": biz, "data": data, "streamId": str(biz), "objectType": object_type}


# Payloads.


def chat(message: Message) -> Json:
    """Return the item of a chat message (kind 2), a system card or a trade's card (kind 1)."""
    return item(40000, chat_payload(message) if message.trade is None else trade.payload(message, message.trade))


def chat_payload(message: Message) -> dict[int, Any]:
    """Return what is inside of such an item."""
    card = message.content_type == 26
    source = {"sourceId": "C2C:x", "taskName": message.task} if card else {"sourceId": "S:1"}
    shown = message.shown()
    more = {} if card else {"messageId": message.hex_id}
    notice = {
        "_platform": "web",
        "bizTag": _compact(source | more),
        "detailNotice": shown,
        "extJson": "{}" if card else _compact({"quickReply": "1", **more, "tag": "u"}),
        "reminderContent": shown,
        "reminderNotice": "发来一条消息",
        "reminderTitle": message.name,
        "reminderUrl": reminder_url(message),
        "senderUserId": message.sender,
        "senderUserType": "0",
        "sessionType": "1",
    }
    said = {1: "", 2: shown, 3: "", 4: message.content_type, 5: _compact(content(message))}
    head = {1: {1: f"{message.sender}@goofish"}, 2: f"{message.conversation}@goofish", 3: message.id, 4: 0}
    rest = {5: message.time, 6: {1: 101, 3: said}, 7: 1 if card else 2, 8: 1, 9: 0, 10: notice, 12: 1}
    return {1: head | rest, 3: {"needPush": "true"}}


def read_receipt(ids: Sequence[str], conversation: str, time: int) -> Json:
    """Return a read receipt: of one message (40103), or of several (40102)."""
    cid = f"{conversation}@goofish"
    if len(ids) == 1:
        return item(40103, {1: ids[0], 2: 2, 3: 0, 4: cid, 5: 1, 6: time})
    return item(40102, {1: list(ids), 2: 2, 3: cid, 4: 1, 5: str(time)})


def recall(message_id: str, conversation: str, time: int) -> Json:
    """Return a recall. No capture of one is known: this is the shape of the new-message notice."""
    return item(40104, {1: f"{conversation}@goofish", 2: 1, 3: message_id, 4: str(time)})


def delete(message_id: str, conversation: str, time: int) -> Json:
    """Return a deletion; its shape is a guess, as that of `recall`."""
    return item(40101, {1: f"{conversation}@goofish", 2: 1, 3: message_id, 4: str(time)})


def typing(conversation: str, sender: str) -> Json:
    """Return the notice that somebody is typing."""
    return item(40006, {1: [{1: f"{conversation}@goofish", 2: 1, 3: 1, 4: f"{sender}@goofish"}]})


def order_status(about: str, text: str, time: int) -> Json:
    """Return an order's new status; `about` is the conversation (`<cid>@goofish`)."""
    return item(40000, {1: about, 2: 1, 3: {"redReminder": text, "redReminderStyle": "1"}, 4: str(time)})


def session_arouse(conversation: str, sender: str, item_id: str, time: int) -> Json:
    """Return the plain JSON item that the first batch after `/reg` holds."""
    arouse = {"arouseTimeStamp": time, "needFetchArouseInfo": False}
    said = {"contentType": 8, "sessionArouse": arouse}
    operation = {"content": said, "receiverIds": [], "senderUserId": sender}
    session = {"sessionId": conversation, "sessionType": 1, "extensions": {"itemId": item_id}}
    payload = {"chatType": 1, "incrementType": 1, "operation": operation, "sessionInfo": session}
    return item(370000, payload, biz=370, plain=True)
