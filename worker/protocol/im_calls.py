"""The three calls about messages: the bodies that go, and what their answers mean. Pure.

Source: docs/protocol.md, Calls. Nothing that a server may answer raises anything here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

import msgspec

from xyfleet.worker.protocol.frames import Response
from xyfleet.worker.protocol.payload import Budget, Undecodable, load_json
from xyfleet.worker.text import is_number, shown

SEND: Final = "/r/MessageSend/sendByReceiverScope"
LIST_TALKS: Final = "/r/Conversation/listNewestPagination"
LIST_MESSAGES: Final = "/r/MessageManager/listUserMessages"
NEWEST: Final = 9007199254740991
"""The cursor of a first page."""
TALKS: Final = 50
"""Conversations of a page."""
MESSAGES: Final = 20
"""Messages of a page."""

MOST_ENTRIES: Final = 100
"""Entries of a page that are read; it was asked for half as many."""
_MOST_VALUES: Final = 50_000
"""Values of an answer; a page of real conversations has some 5,000."""
_FLOW_CONTROL: Final = "400600001"
FLOW_CONTROLLED: Final = f"flow control ({_FLOW_CONTROL})"
_NOT_REGISTERED: Final = 401
_BUSY_TEXTS: Final = ("闲鱼走神了", "system is error")
_REASON_KEYS: Final = ("reason", "moreInfo")
_SUFFIX: Final = "@goofish"


class Picture(msgspec.Struct, frozen=True):
    """An image that was uploaded."""

    url: str
    width: int
    """Pixels."""
    height: int


class Sent(msgspec.Struct, frozen=True):
    """The server took the message."""

    message_id: str


class Rejected(msgspec.Struct, frozen=True):
    """The server will not have it, for good."""

    reason: str


class Busy(msgspec.Struct, frozen=True):
    """The server did not take it, and may take it later."""

    reason: str


class Unclear(msgspec.Struct, frozen=True):
    """The answer does not tell whether it was taken."""

    reason: str


class Talk(msgspec.Struct, frozen=True):
    """A conversation in a listing."""

    conversation: str
    """Without `@goofish`."""
    item: str | None
    modified: int | None
    """Milliseconds since the epoch; null = not said."""


class Page(msgspec.Struct, frozen=True):
    """A page of a listing, newest first."""

    entries: list[Any]
    more: bool
    """Whether there are older ones."""
    cursor: int | None
    """Where the next page begins, if the server says it."""


class Answer(msgspec.Struct, frozen=True):
    """What came instead of a page."""

    reason: str
    busy: bool
    """Whether it is flow control: wait and ask again."""


_encode: Final = msgspec.json.Encoder().encode


# What goes.


def send_text(uuid: str, conversation: str, receiver: str, me: str, text: str) -> list[Any]:
    """Return the body of a `SEND` of a text by `me`."""
    said = {"contentType": 1, "text": {"text": text.encode(errors="replace").decode()}}
    return _send(uuid, conversation, receiver, me, said)


def send_image(uuid: str, conversation: str, receiver: str, me: str, picture: Picture) -> list[Any]:
    """Return the body of a `SEND` of an uploaded image by `me`. Untested against the live service."""
    shown = {"height": picture.height, "type": 0, "url": picture.url, "width": picture.width}
    return _send(uuid, conversation, receiver, me, {"contentType": 2, "image": {"pics": [shown]}})


def _send(uuid: str, conversation: str, receiver: str, me: str, said: object) -> list[Any]:
    message = {
        "uuid": uuid,
        "cid": full(conversation),
        "conversationType": 1,
        "content": {"contentType": 101, "custom": {"type": 1, "data": base64.b64encode(_encode(said)).decode()}},
        "redPointPolicy": 0,
        "extension": {"extJson": "{}"},
        "ctx": {"appVersion": "1.0", "platform": "web"},
        "mtags": {},
        "msgReadStatusSetting": 1,
    }
    return [message, {"actualReceivers": [full(receiver), full(me)]}]


def list_talks(cursor: int, count: int = TALKS) -> list[Any]:
    """Return the body of a `LIST_TALKS`."""
    return [cursor, count]


def list_messages(conversation: str, cursor: int, count: int = MESSAGES) -> list[Any]:
    """Return the body of a `LIST_MESSAGES`."""
    return [full(conversation), False, cursor, count, False]


class Uuids:
    """
    Makes the uuids of messages to send: `-<13-digit ms>1`, never two in one millisecond.

    The milliseconds always grow, also when the clock stands still or is set back.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._last = 0

    def after(self, uuid: str | None) -> None:
        """Go on behind a uuid of an earlier life; what is none, or is of another form, says nothing."""
        digits = uuid[1:-1] if uuid is not None and len(uuid) == 15 else ""
        if digits.isascii() and digits.isdigit():
            self._last = max(self._last, int(digits))

    def new(self) -> str:
        """Return a new uuid."""
        self._last = max(self._last + 1, int(self._wall() * 1000))
        return f"-{self._last:013d}1"


# What comes.


def sent(response: Response) -> Sent | Rejected | Busy | Unclear:
    """Return what the answer to a `SEND` says."""
    body = body_of(response)
    message_id = body.get("messageId")
    if response.ok and isinstance(message_id, str) and message_id:
        return Sent(message_id)
    if flow_controlled(body):
        return Busy(FLOW_CONTROLLED)
    if response.code == _NOT_REGISTERED:
        return Busy(f"the connection is not registered ({_NOT_REGISTERED})")
    words = words_of(body)
    if any(text in words.lower() for text in _BUSY_TEXTS):
        return Busy(words)
    if words:
        return Rejected(words)
    return Unclear(f"the answer {shown(response.code)} has neither a message id nor a reason")


def talks(response: Response) -> Page | Answer:
    """Return the page of `Talk`s that answers a `LIST_TALKS`; entries that are none are left out."""
    page = page_of(response, "userConvs")
    if isinstance(page, Answer):
        return page
    return Page([talk for entry in page.entries if (talk := _talk(entry)) is not None], page.more, page.cursor)


def messages(response: Response) -> Page | Answer:
    """Return the page that answers a `LIST_MESSAGES`; its entries are for `decode.listed`."""
    return page_of(response, "userMessageModels")


def page_of(response: Response, name: str) -> Page | Answer:
    """Return the page that has its entries under this name, as they came."""
    body = body_of(response)
    entries = body.get(name)
    if response.ok and isinstance(entries, list):
        return Page(
            entries[:MOST_ENTRIES], bool(entries) and _truth(body.get("hasMore")), _integer(body.get("nextCursor"))
        )
    if flow_controlled(body):
        return Answer(FLOW_CONTROLLED, busy=True)
    reason = body.get("reason")
    words = "" if not reason else f": {reason if isinstance(reason, str) else shown(reason)}"
    return Answer(f"answer {shown(response.code)} without {name}{words}", busy=False)


def _talk(entry: Any) -> Talk | None:
    found = _dict(_dict(entry).get("singleChatUserConversation"))
    talk = _dict(found.get("singleChatConversation"))
    cid, item = talk.get("cid"), _dict(talk.get("extension")).get("itemId")
    if not isinstance(cid, str) or not cid:
        return None
    has_item = isinstance(item, (str, int)) and item != ""
    return Talk(cid.removesuffix(_SUFFIX), str(item) if has_item else None, _integer(found.get("modifyTime")))


def body_of(response: Response) -> dict[str, Any]:
    """Return an answer's body, empty where it is no object."""
    try:
        return _dict(load_json(bytes(response.body), Budget(_MOST_VALUES)))
    except Undecodable:
        return {}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def words_of(body: dict[str, Any]) -> str:
    """Return why the server will not; "" where it does not say."""
    return "; ".join(value for key in _REASON_KEYS if isinstance(value := body.get(key), str) and value)


def flow_controlled(body: dict[str, Any]) -> bool:
    """Tell whether it asks for another time: it did nothing."""
    return shown(body.get("code")) == _FLOW_CONTROL


def _truth(value: Any) -> bool:
    """Return a truth that came as 1, "1" or true."""
    return value not in (None, False, 0, "0", "false", "")


def _integer(value: Any) -> int | None:
    """Return a number of milliseconds that came as such or as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 18:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and is_number(value) else None


def full(name: str) -> str:
    """Return an id as the wire writes it."""
    return name.removesuffix(_SUFFIX) + _SUFFIX
