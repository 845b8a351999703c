"""The calls about conversations: open one, say that it was read, recall a message; and what lists show of them. Pure.

Source: docs/protocol.md, Calls. Nothing that a server may answer raises anything here. Untested against the live
service.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from xyfleet.worker.protocol import items
from xyfleet.worker.protocol.frames import Response
from xyfleet.worker.protocol.im_calls import FLOW_CONTROLLED, body_of, flow_controlled, full, words_of
from xyfleet.worker.protocol.item_shapes import fitting
from xyfleet.worker.protocol.json_values import Json, as_dict, as_id, as_int, as_text
from xyfleet.worker.protocol.message import Message, rfc3339
from xyfleet.worker.protocol.payload import Undecodable, plain
from xyfleet.worker.text import shown

CREATE: Final = "/r/SingleChatConversation/create"
READ: Final = "/r/MessageStatus/read"
"""The other side sees that its messages were read."""
CLEAR: Final = "/r/Conversation/clearRedPoint"
"""The red point on the owner's own phone goes away."""
RECALL: Final = "/r/MessageManager/recallMessageByFeature"
OLD_RECALL: Final = "/r/MessageManager/recallMessage"
"""What one client sends; the page sends `RECALL`."""
MOST_TEXT: Final = 8000
"""Characters of a listed message that are shown; what is sent has 4000 at most."""
_MOST_TITLE: Final = 200
_RECALLED: Final = 2
"""The `msgStatus` of a message that was taken back."""
_NO_SUCH_CALL: Final = 404
_PLATFORM: Final = "0"
"""The member of a pair that stands for the platform."""


class ListedTalk(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as a list shows it."""

    conversation: str
    """Without `@goofish`."""
    peer: str | None = None
    """User id of who is at the other end."""
    peer_name: str | None = None
    """His name, where the last message is his."""
    item: str | None = None
    """Id of the item that it is about."""
    item_title: str | None = None
    unread: int | None = None
    """Messages and cards that the platform calls unread; null = not said."""
    last: Message | None = None
    """Its last message; null = nobody has written yet."""


class Done(msgspec.Struct, frozen=True):
    """The server did it."""


class Refusal(msgspec.Struct, frozen=True):
    """The server will not do it."""

    reason: str
    unknown_call: bool = False
    """Whether it knows no such call."""


class NotNow(msgspec.Struct, frozen=True):
    """Flow control: it was not done."""

    reason: str


class Unsure(msgspec.Struct, frozen=True):
    """The answer does not tell whether it was done."""

    reason: str


# What goes.


def create(me: str, peer: str, item: str) -> list[Any]:
    """Return the body of a `CREATE`; the pair goes in ascending order, as the page has it."""
    first, second = sorted((me, peer), key=lambda one: (len(one), one))
    return [
        {
            "pairFirst": full(first),
            "pairSecond": full(second),
            "bizType": "1",
            "extension": {"itemId": item, "orderId": "", "source": ""},
            "ctx": {"appVersion": "1.0", "platform": "web"},
        }
    ]


def read(ids: Sequence[str]) -> list[Any]:
    """Return the body of a `READ` of these messages."""
    return [list(ids)]


def clear(conversation: str, last: str) -> list[Any]:
    """Return the body of a `CLEAR` up to a conversation's last message."""
    return [[{"cid": full(conversation), "messageId": last}]]


def recall(message_id: str, me: str, text: str = "", content_type: int = 1) -> list[Any]:
    """Return the body of a `RECALL` of an own message, which said `text`."""
    said = {"originContentType": str(content_type), "textContent": text}
    feature = {"showRecallStatusSetting": 1, "operatorType": 0, "operatorUid": me, "code": "200", "extension": said}
    return [{}, message_id, feature]


def old_recall(message_id: str) -> list[Any]:
    """Return the body of an `OLD_RECALL`."""
    return [message_id]


# What comes.


def ending(response: Response) -> Done | Refusal | NotNow | Unsure:
    """Return what the answer to a call says that changes something."""
    body = body_of(response)
    if flow_controlled(body):
        return NotNow(FLOW_CONTROLLED)
    words = words_of(body)
    if response.ok and not words:
        return Done()
    unknown_call = response.code == _NO_SUCH_CALL
    if words or unknown_call:
        return Refusal(words or f"answer {_NO_SUCH_CALL}", unknown_call)
    return Unsure(f"the answer {shown(response.code)} has no reason")


def opened(response: Response) -> str | None:
    """Return the conversation that a `CREATE` opened; None: the answer names none."""
    return fitting(as_id(as_dict(body_of(response).get("singleChatConversation")).get("cid")))


class TalkReader:
    """
    Reads entries of lists.

    Args:
        account: The account's name, which its messages bear.
        me: Its user id.
    """

    def __init__(self, account: str, me: str) -> None:
        self._account = account
        self._me = me

    def talk(self, entry: object, now: int) -> ListedTalk | None:
        """Return an element of `userConvs`, or None if it is no conversation; `now` (ms) is for what has no time."""
        found = as_dict(_plain(entry).get("singleChatUserConversation"))
        talk = as_dict(found.get("singleChatConversation"))
        conversation = fitting(as_id(talk.get("cid")))
        if conversation is None:
            return None
        about = as_dict(talk.get("extension"))
        item = fitting(as_id(about.get("itemId")))
        last = self.message(found.get("lastMessage"), conversation, item, now)
        return ListedTalk(
            conversation=conversation,
            peer=self._peer(talk, about),
            peer_name=None if last is None or last.own else last.sender_name,
            item=item,
            item_title=as_text(about.get("itemTitle"))[:_MOST_TITLE] or None,
            unread=as_int(found.get("redPoint")),
            last=last,
        )

    def message(self, entry: object, conversation: str, item: str | None, now: int) -> Message | None:
        """Return an element of `userMessageModels`, or None if it has no id; of a recalled one the words are gone."""
        model = _plain(entry)
        found = items.listed(model, conversation, item, self._me)
        if found is None:
            return None
        is_recalled = as_int(model.get("msgStatus")) == _RECALLED
        return Message(
            account=self._account,
            id=found.id,
            conversation=found.conversation,
            item=fitting(found.item),
            sender=fitting(found.sender),
            sender_name=None if found.sender_name is None else found.sender_name[:_MOST_TITLE],
            kind="recall" if is_recalled else found.kind,
            text="" if is_recalled else _cut(found.text),
            content_type=found.content_type,
            order=fitting(found.order),
            order_status=found.order_status,
            role=found.role,
            buyer=fitting(found.buyer),
            time=rfc3339(found.time or now),
            own=found.own,
        )

    def _peer(self, talk: Json, about: Json) -> str | None:
        pair = [as_id(talk.get(side)) for side in ("pairFirst", "pairSecond")]
        others = [one for one in pair if one not in (None, self._me, _PLATFORM)]
        return fitting(others[0] if others else as_id(about.get("extUserId")))


def _plain(entry: object) -> Json:
    try:
        return as_dict(plain(entry))
    except Undecodable:
        return {}


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"
