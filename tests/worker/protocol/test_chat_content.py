"""What a chat message says: kind, text, sender, item and time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.pushes import ME, chat, one
from xyfleet.supervisor.simulator.compose import CONVERSATION, PEER


def said(content: object, number: object = None, shown_as: str = "[卡片]") -> dict[str, Any]:
    """Return what `1.6` and `1.10` of a chat with this content are."""
    written = content if isinstance(content, str) else json.dumps(content)
    return {"_6": {"3": {"2": "", "4": number, "5": written}}, "_10": {"reminderContent": shown_as}}


@pytest.mark.parametrize(
    ("head", "kind", "text"),
    [
        (said({"contentType": 1, "text": {"text": "whole"}}, 1, "who…"), "text", "whole"),
        (said("{cut", 1, "shown"), "text", "shown"),
        (said("{cut", 2, "[图片]"), "image", "[图片]"),
        (said({"contentType": 2, "image": {"pics": [{"url": "u"}, {"url": "v"}]}}, 2), "image", "u"),
        (said({"contentType": 2, "image": {"pics": []}}, 2, "[图片]"), "image", "[图片]"),
        (said({"image": {"pics": [{"url": "u"}]}}, "2"), "image", "u"),
        (said({"contentType": 26, "text": {"text": "own words"}}, 26, "shown"), "card", "shown"),
        (said({"contentType": 26, "text": {"text": "own words"}}, 26, ""), "card", "own words"),
        (said({"contentType": 3, "audio": {}}, 3, "[语音]"), "card", "[语音]"),
        (said({"contentType": 1, "text": {"text": "t"}}, 1) | {"_7": 1}, "system", "t"),
        (said({"contentType": 2, "image": {"pics": [{"url": "u"}]}}, 2, "[图片]") | {"_7": 1}, "system", "[图片]"),
        (said({"contentType": 26}, 26, "card") | {"_7": 1}, "card", "card"),
        (said("", None, "notice") | {"_7": 1}, "system", "notice"),
        ({"_6": {"3": {"2": "second", "4": 1}}, "_10": {}}, "text", "second"),
        ({"_6": None}, "text", "你好，还在吗"),
        ({"_10": None}, "text", "你好，还在吗"),
        ({"_7": None}, "text", "你好，还在吗"),
        ({"_7": "1"}, "system", "你好，还在吗"),
    ],
)
def test_kind_and_text_of_a_chat(head: dict[str, Any], kind: str, text: str) -> None:
    """The content says what a chat is, `1.7` whether a person or the platform said it."""
    found = one(chat(**head))

    assert (found.kind, found.text) == (kind, text)


def test_sender_without_a_notice() -> None:
    """`1.1.1` tells the sender where `1.10.senderUserId` does not."""
    assert (one(chat(_10={})).sender, one(chat(_10={}, _1={"1": f"{ME}@goofish"})).own) == (PEER, True)


def test_ids_as_numbers() -> None:
    """Ids that come as numbers are the same texts."""
    found = one(chat(_2=51000000001, _10={"senderUserId": int(ME)}))

    assert (found.conversation, found.sender, found.own) == (CONVERSATION, ME, True)


@pytest.mark.parametrize("url", ["fleamarket://x?itemId=9&a=1", "x?a=1&itemId=9", "x?myitemId=8&itemId=9#y"])
def test_item_of_a_chat(url: str) -> None:
    """The item is in the query of the reminder's address."""
    assert one(chat(_10={"reminderUrl": url})).item == "9"


def test_chat_without_an_item() -> None:
    """An address without one, and no address at all."""
    assert one(chat(_10={"reminderUrl": "fleamarket://x?itemId=&a=1"})).item is None
    assert one(chat(_10={})).item is None


@pytest.mark.parametrize(
    ("time", "wanted"),
    [
        (1767225600123, 1767225600123),
        ("1767225600123", 1767225600123),
        (1767225600123.0, 1767225600123),
        (0, None),
        (-5, None),
        (2**63, None),
        (1e300, None),
        (True, None),
        ("soon", None),
        (None, None),
    ],
)
def test_time_of_a_chat(time: object, wanted: int | None) -> None:
    """A time that can be none is not said."""
    assert one(chat(_5=time)).time == wanted
