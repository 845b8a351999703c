"""The messages of one account as the server keeps them, and the two calls that list them. Pure."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any, Final

import msgspec

_KEPT: Final = 20_000
"""Most messages kept in one conversation."""
RECALL_TIME: Final = 120_000
"""Milliseconds in which an own message may be recalled."""


class Trade(msgspec.Struct, frozen=True):
    """What a card says of an order."""

    order: str
    status: str
    """One of `trade.STAGES`."""
    form: str = "flat"
    """`flat` or `nested`: the two envelopes that were seen."""


class Message(msgspec.Struct, kw_only=True):
    """One chat message or system card."""

    id: str
    """`….PNM`, the key that tells duplicates."""
    conversation: str
    """Without `@goofish`."""
    sender: str
    name: str
    text: str
    time: int
    """Milliseconds since the epoch."""
    item: str
    content_type: int = 1
    """1 text, 2 image, 14 tip, 26 system card; what clients send may have any other."""
    hex_id: str = ""
    task: str = ""
    """`taskName` of a system card."""
    content: dict[str, Any] | None = None
    """As a client sent it; None: made of the text."""
    trade: Trade | None = None
    owner: str = ""
    """Of a trade's card: the account that it came to."""
    recalled: int = 0
    """When (ms) it was recalled; 0 = it was not."""
    read: bool = False
    """Whether this account said that it read it."""

    def shown(self) -> str:
        """Return the line that stands for it in lists and on phones."""
        return "[图片]" if self.content_type == 2 else self.text


def content(message: Message) -> dict[str, Any]:
    """Return the message's content, as the JSON texts inside payloads and listings hold it."""
    if message.content is not None:
        return message.content
    if message.content_type == 2:
        picture = {"url": message.text, "width": 800, "height": 600}
        return {"contentType": 2, "image": {"pics": [picture]}}
    return {"contentType": message.content_type, "text": {"text": message.text}}


class Mailbox:
    """All conversations of an account."""

    def __init__(self) -> None:
        self._conversations: dict[str, dict[str, Message]] = {}
        self._peers: dict[str, str] = {}
        self._opened: dict[str, dict[str, Any]] = {}
        """Conversations that were opened by a call, and what the call was answered."""
        self._sent: dict[str, str] = {}
        self._latest = 0

    def moment(self, wanted: int) -> int:
        """Return `wanted` (ms), or the next free one: two messages of one time could not be listed page by page."""
        self._latest = max(self._latest + 1, wanted)
        return self._latest

    def add(self, message: Message, peer: str) -> None:
        """Keep a message of a talk with `peer`; one whose id is there already is kept once."""
        messages = self._conversations.setdefault(message.conversation, {})
        messages.setdefault(message.id, message)
        self._peers[message.conversation] = peer
        if len(messages) > _KEPT:
            del messages[next(iter(messages))]

    def sent_before(self, uuid: str) -> str | None:
        """Return the id that a send with this uuid got, or None."""
        return self._sent.get(uuid)

    def note_sent(self, uuid: str, message_id: str) -> None:
        """Remember which id a send got."""
        self._sent[uuid] = message_id

    def open(self, me: str, peer: str, item: str, now: int) -> dict[str, Any] | None:
        """Answer `create`: open a talk about an item; None where there is one already."""
        known = (each for talk in self._conversations.values() for each in list(talk.values())[-1:])
        if any((self._peers[last.conversation], last.item) == (peer, item) for last in known):
            return None
        cid = str(51_000_000_000 + zlib.crc32(f"{me}&{peer}&{item}".encode()))
        if cid in self._opened:
            return None
        first, second = sorted((f"{me}@goofish", f"{peer}@goofish"))
        about = {"itemId": item, "itemSellerId": me, "extUserId": peer, "ownerUserId": me}
        talk = {"cid": f"{cid}@goofish", "pairFirst": first, "pairSecond": second, "bizType": "1", "createAt": now}
        self._opened[cid] = {
            "visible": 0,
            "joinTime": now,
            "singleChatConversation": {**talk, "extension": about},
        }
        return self._opened[cid]

    def find(self, message_id: str) -> Message | None:
        """Return a message by its id."""
        return next((talk[message_id] for talk in self._conversations.values() if message_id in talk), None)

    def talk_with(self, me: str, peer: str, item: str) -> dict[str, Any] | None:
        """Return the talk with somebody about an item, as a list would."""
        for talk in self._conversations.values():
            last = max(talk.values(), key=_time)
            if (self._peers[last.conversation], last.item) == (peer, item):
                found: dict[str, Any] = _conversation(list(talk.values()), peer, me)["singleChatUserConversation"]
                return found
        return next(
            (one for one in self._opened.values() if _about(one) == (peer, item)),
            None,
        )

    def by_cids(self, me: str, cids: list[str]) -> list[dict[str, Any]]:
        """Answer `getByCids`: those of these conversations that are there."""
        wanted = [cid.removesuffix("@goofish") for cid in cids]
        full = [cid for cid in wanted if cid in self._conversations]
        empty = [self._opened[cid] for cid in wanted if cid in self._opened and cid not in self._conversations]
        talks = [_conversation(list(self._conversations[cid].values()), self._peers[cid], me) for cid in full]
        return [*talks, *({"type": 1, "singleChatUserConversation": one} for one in empty)]

    def messages(self) -> list[Message]:
        """Return every message, oldest first."""
        return sorted((one for each in self._conversations.values() for one in each.values()), key=_time)

    def conversations(self, me: str, cursor: int, limit: int) -> dict[str, Any]:
        """Answer `listNewestPagination`: conversations changed before `cursor`, newest first."""
        newest = sorted((max(each.values(), key=_time) for each in self._conversations.values()), key=_time)
        page, rest = _page(newest, cursor, limit)
        talks = [list(self._conversations[last.conversation].values()) for last in page]
        return {**rest, "userConvs": [_conversation(talk, self._peers[talk[0].conversation], me) for talk in talks]}

    def history(self, conversation: str, cursor: int, limit: int) -> dict[str, Any]:
        """Answer `listUserMessages`: messages from before `cursor`, newest first."""
        messages = self._conversations.get(conversation.removesuffix("@goofish"), {})
        page, rest = _page(sorted(messages.values(), key=_time), cursor, limit)
        return {**rest, "userMessageModels": [_model(message) for message in page]}


def _time(message: Message) -> int:
    return message.time


def _page(messages: list[Message], cursor: int, limit: int) -> tuple[list[Message], dict[str, int]]:
    """Return the newest of `messages` (oldest first) from before `cursor`, newest first, and where to go on."""
    older = [message for message in messages if message.time < cursor]
    page = older[::-1][:limit]
    return page, {"hasMore": int(len(older) > limit), "nextCursor": page[-1].time if page else 0}


def _about(opened: dict[str, Any]) -> tuple[str, str]:
    extension = opened["singleChatConversation"]["extension"]
    return extension["extUserId"], extension["itemId"]


def _conversation(talk: list[Message], peer: str, me: str) -> dict[str, Any]:
    last = max(talk, key=_time)
    conversation = {
        "cid": f"{last.conversation}@goofish",
        "pairFirst": f"{me}@goofish",
        "pairSecond": f"{peer}@goofish",
        "bizType": "1",
        "createAt": min(each.time for each in talk),
        "msgReadStatusSetting": 1,
        "extension": {"itemId": last.item, "extUserId": peer, "ownerUserId": me},
    }
    unread = last.sender != me and not last.read
    return {
        "type": 1,
        "singleChatUserConversation": {
            "visible": 1,
            "modifyTime": last.recalled or last.time,
            "redPoint": int(unread),
            "joinTime": conversation["createAt"],
            "topRank": 0,
            "muteNotification": 0,
            "singleChatConversation": conversation,
            "lastMessage": _model(last),
        },
    }


def _model(message: Message) -> dict[str, Any]:
    """Return a message as lists show it; of a recalled one the words are gone."""
    recall = {"showRecallStatusSetting": 1, "operatorType": 0, "operatorUid": f"{message.sender}@goofish"}
    return {
        "readStatus": 2 if message.read else 1,
        "msgStatus": 2 if message.recalled else 1,
        "userExtension": {"needPush": "false"},
        "recallFeature": recall if message.recalled else {"showRecallStatusSetting": 1, "operatorType": 0},
        "message": listed(message),
    }


def listed(message: Message) -> dict[str, Any]:
    """Return the message itself as lists and the answer to a send show it."""
    data = base64.b64encode(json.dumps(content(message), ensure_ascii=False).encode()).decode()
    shown = message.shown()
    custom = {"summary": shown, "degrade": "", "title": "", "type": 1, "data": data}
    return {
        "messageId": message.id,
        "cid": f"{message.conversation}@goofish",
        "createAt": message.time,
        "unreadCount": int(not message.read),
        "conversationType": 1,
        "redPointPolicy": 0,
        "displayStyle": 0,
        "mtags": {},
        "receiverCount": 2,
        "receivers": [],
        "sender": {"uid": f"{message.sender}@goofish", "tag": "u"},
        "searchableContent": {"summary": shown},
        "content": {"contentType": 101, "custom": {} if message.recalled else custom},
        "extension": {
            "senderUserId": message.sender,
            "reminderTitle": message.name,
            "reminderContent": shown,
            "sessionType": "1",
            "reminderUrl": reminder_url(message),
        },
    }


def reminder_url(message: Message) -> str:
    """Return where a phone goes from the message: it names item, sender and conversation."""
    return (
        f"fleamarket://message_chat?itemId={message.item}&peerUserId={message.sender}&sid={message.conversation}"
        f"&messageId={message.hex_id}&adv=no"
    )
