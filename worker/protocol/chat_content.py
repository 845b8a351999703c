"""What a chat message says, pushed or listed, and reading values that may be of any type. Pure.

Paths and their meaning: `xyfleet.worker.protocol.item_shapes`.
"""

from __future__ import annotations

import re
from typing import Final

from xyfleet.worker.protocol.json_values import Json, as_dict, as_id, as_int, as_text
from xyfleet.worker.protocol.message import Kind
from xyfleet.worker.protocol.payload import Budget, Undecodable, read_json, unpack

TEXT: Final = 1
IMAGE: Final = 2
"""Content types."""
_OF_THE_PLATFORM: Final = (14, 25, 26)
"""Content types that nobody types: a tip, a platform's card, a trade's card. They may bear a person's name."""
_GROUP: Final = 30
"""The `sessionType` of a group."""
_TASK: Final = re.compile(r'"task(?:Name|Id)"|SECURITY')
"""What a `bizTag` has that is the platform's; a person's names a source and a message."""
_IN_URL: Final = re.compile(r"[?&](itemId|peerUserId|sid)=([^&#]+)")


class ChatContent:
    """
    Who said what.

    Args:
        notice: What a push has in `1.10`, a listing in `extension`.
        content: The content, decoded.
        beside: The content type that stands beside it, for one that does not say.
        platform: Whether it is a system card.
    """

    def __init__(self, notice: Json, content: Json, beside: object, platform: bool) -> None:
        kind = as_int(content.get("contentType"))
        self.type = as_int(beside) if kind is None else kind
        """The platform's content type; None = not said."""
        self._content = content
        self._shown = as_text(notice.get("reminderContent"))
        self.kind: Kind = self._kind(platform)
        self.text = self._words()
        self.sender = as_id(notice.get("senderUserId"))
        self.platform = platform or self._is_task(notice)
        """Whether the platform wrote it, in whoever's name."""
        self.name = None if self.platform else as_text(notice.get("reminderTitle")) or None
        """The sender's; what the platform writes has a headline there."""
        self.group = as_int(notice.get("sessionType")) == _GROUP
        named = addressed(notice.get("reminderUrl"))
        self.item = named.get("itemId")
        self.peer = as_id(named.get("peerUserId"))
        """Who is at the other end."""
        self.talk = as_id(named.get("sid"))

    def _kind(self, platform: bool) -> Kind:
        if self.type not in (None, TEXT, IMAGE):
            return "card"
        if platform:
            return "system"
        return "image" if self.type == IMAGE else "text"

    def _is_task(self, notice: Json) -> bool:
        tag = notice.get("bizTag")
        is_task = isinstance(tag, str) and _TASK.search(tag) is not None
        return is_task or self.type in _OF_THE_PLATFORM or "dxCard" in self._content

    def _words(self) -> str:
        """The whole content where it is text; of a card what the reminder shows, because its content is its own."""
        written = as_text(as_dict(self._content.get("text")).get("text"))
        if self.kind == "card":
            return self._shown or written
        return written or self._picture() or self._shown

    def _picture(self) -> str:
        match as_dict(self._content.get("image")).get("pics"):
            case [{"url": str() as url}, *_] if self.kind == "image":
                return url
        return ""


def addressed(url: object) -> dict[str, str]:
    """Return what a `reminderUrl` names: `itemId`, `peerUserId`, `sid`."""
    return dict(_IN_URL.findall(url)) if isinstance(url, str) else {}


def parsed(content: object, budget: Budget) -> Json:
    """Return the content, which is JSON text, sometimes an object already."""
    if not isinstance(content, str):
        return as_dict(content)
    try:
        return as_dict(read_json(content, budget))
    except Undecodable:
        return {}


def packed(content: object, budget: Budget) -> Json:
    """Return a listed message's content: JSON in base64."""
    if not isinstance(content, str):
        return as_dict(content)
    try:
        return as_dict(unpack(content, budget))
    except Undecodable:
        return {}
