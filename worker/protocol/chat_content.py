"""What a chat message says, pushed or listed, and reading values that may be of any type. Pure.

Paths and their meaning: `xyfleet.worker.protocol.items`.
"""

from __future__ import annotations

import re
from typing import Final

from xyfleet.worker.protocol.json_values import Json, as_dict, as_id, as_int, as_text
from xyfleet.worker.protocol.message import Kind
from xyfleet.worker.protocol.payload import Undecodable, read_json, unpack

TEXT: Final = 1
IMAGE: Final = 2
"""Content types."""

_ITEM_ID: Final = re.compile(r"[?&]itemId=([^&#]+)")


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
        self._type = as_int(beside) if kind is None else kind
        self._content = content
        self._shown = as_text(notice.get("reminderContent"))
        self.kind: Kind = self._kind(platform)
        self.text = self._words()
        self.sender = as_id(notice.get("senderUserId"))
        self.name = as_text(notice.get("reminderTitle")) or None
        self.item = _item_of(notice.get("reminderUrl"))

    def _kind(self, platform: bool) -> Kind:
        if self._type not in (None, TEXT, IMAGE):
            return "card"
        if platform:
            return "system"
        return "image" if self._type == IMAGE else "text"

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


def _item_of(url: object) -> str | None:
    found = _ITEM_ID.search(url) if isinstance(url, str) else None
    return None if found is None else found[1]


def parsed(content: object) -> Json:
    """Return the content, which is JSON text, sometimes an object already."""
    if not isinstance(content, str):
        return as_dict(content)
    try:
        return as_dict(read_json(content))
    except Undecodable:
        return {}


def packed(content: object) -> Json:
    """Return a listed message's content: JSON in base64."""
    if not isinstance(content, str):
        return as_dict(content)
    try:
        return as_dict(unpack(content))
    except Undecodable:
        return {}


# Values of any type as the one that is wanted.
