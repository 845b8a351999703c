"""The messages of one account as the server keeps them, and the two calls that list them. Pure."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import msgspec

_KEPT: Final = 20_000
"""Most messages kept in one conversation."""


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
    """1 text, 2 image, 26 system card."""
    hex_id: str = ""
    task: str = ""
    """`taskName` of a system card."""


def content(message: Message) -> dict[str, Any]:
    """Return the message's content, as the JSON texts inside payloads and listings hold it."""
    if message.content_type == 2:
        picture = {"url": message.text, "width": 800, "height": 600}
        return {"contentType": 2, "image": {"pics": [picture]}}
    return {"contentType": message.content_type, "text": {"text": message.text}}


class Mailbox:
    """All conversations of an account."""

    def __init__(self) -> None:
        self._conversations: dict[str, dict[str, Message]] = {}
        self._peers: dict[str, str] = {}
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

    def messages(self) -> list[Message]:
        """Return every message, oldest first."""
        return sorted((one for each in self._conversations.values() for one in each.values()), key=_time)

    def conversations(self, me: str, cursor: int, limit: int) -> dict[str, Any]:
        """Answer `listNewestPagination`: conversations changed before `cursor`, newest first."""
        newest = sorted((max(each.values(), key=_time) for each in self._conversations.values()), key=_time)
        page, rest = _page(newest, cursor, limit)
        return {**rest, "userConvs": [_conversation(last, self._peers[last.conversation], me) for last in page]}

    def history(self, conversation: str, cursor: int, limit: int) -> dict[str, Any]:
        """Answer `listUserMessages`: messages from before `cursor`, newest first."""
        messages = self._conversations.get(conversation.removesuffix("@goofish"), {})
        page, rest = _page(sorted(messages.values(), key=_time), cursor, limit)
        return {**rest, "userMessageModels": [{"message": _listed(message)} for message in page]}


def _time(message: Message) -> int:
    return message.time


def _page(messages: list[Message], cursor: int, limit: int) -> tuple[list[Message], dict[str, int]]:
    """Return the newest of `messages` (oldest first) from before `cursor`, newest first, and where to go on."""
    older = [message for message in messages if message.time < cursor]
    page = older[::-1][:limit]
    return page, {"hasMore": int(len(older) > limit), "nextCursor": page[-1].time if page else 0}


def _conversation(last: Message, peer: str, me: str) -> dict[str, Any]:
    conversation = {
        "cid": f"{last.conversation}@goofish",
        "pairFirst": f"{me}@goofish",
        "pairSecond": f"{peer}@goofish",
        "extension": {"itemId": last.item},
    }
    unread = int(last.sender != me)
    return {
        "singleChatUserConversation": {
            "modifyTime": last.time,
            "redPoint": unread,
            "singleChatConversation": conversation,
        }
    }


def _listed(message: Message) -> dict[str, Any]:
    data = json.dumps(content(message), ensure_ascii=False)
    return {
        "messageId": message.id,
        "createAt": message.time,
        "extension": {"senderUserId": message.sender, "reminderTitle": message.name},
        "content": {"contentType": 101, "custom": {"type": 1, "data": base64.b64encode(data.encode()).decode()}},
    }
