"""The simulated server's store of messages, and its two listings."""

from __future__ import annotations

import base64
import json
from typing import Any

from support.places import VECTORS_FILE
from xyfleet.supervisor.simulator.mailbox import Mailbox, Message, content

VECTORS: dict[str, Any] = json.loads(VECTORS_FILE.read_text())
NOW = 9007199254740991
ME, PEER = "2200000000001", "3300000000002"


def message(number: int, conversation: str = "51000000001", **more: Any) -> Message:
    """Make a message of which number and time agree."""
    usual = {"sender": PEER, "name": "买家甲", "text": f"m{number}", "item": "900000000001"}
    return Message(id=f"{number}.PNM", conversation=conversation, time=number, **{**usual, **more})


def mailbox(*messages: Message) -> Mailbox:
    """Make a mailbox with these."""
    box = Mailbox()
    for one in messages:
        box.add(one, PEER)
    return box


def holds(found: Any, wanted: Any) -> bool:
    """Tell whether everything wanted is there, with its value; there may be more."""
    if isinstance(wanted, dict):
        return all(key in found and holds(found[key], value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(holds(*pair) for pair in zip(found, wanted, strict=True))
    return bool(found == wanted)


def test_listing_equals_the_vector() -> None:
    """The body of `listNewestPagination` has the vector's shape and values."""
    box = mailbox(message(1767225600123))
    wanted = VECTORS["frames"]["listNewestPagination_response"]["frame"]["body"]

    assert holds(box.conversations(ME, NOW, 50), {**wanted, "nextCursor": 1767225600123})


def test_history_equals_the_vector() -> None:
    """The body of `listUserMessages` has the vector's shape and values, the content's bytes too."""
    chat = message(1767225600123, text="你好，还在吗")
    chat.id = "3900000000001.PNM"
    wanted = VECTORS["frames"]["listUserMessages_response"]["frame"]["body"]

    assert holds(mailbox(chat).history("51000000001@goofish", NOW, 20), {**wanted, "nextCursor": 1767225600123})


def test_history_pages_through_everything_once() -> None:
    """Following the cursor gives each message once, newest first."""
    box = mailbox(*(message(number) for number in range(1, 8)))
    seen: list[str] = []
    cursor, more = NOW, 1
    while more:
        page = box.history("51000000001", cursor, 3)
        seen += [one["message"]["messageId"] for one in page["userMessageModels"]]
        cursor, more = page["nextCursor"], page["hasMore"]

    assert seen == [f"{number}.PNM" for number in range(7, 0, -1)]


def test_conversations_page_through_everything_once() -> None:
    """The newest conversation comes first; the cursor goes on behind the last one shown."""
    box = mailbox(*(message(number, f"c{number % 5}") for number in range(1, 11)))
    first = box.conversations(ME, NOW, 3)
    second = box.conversations(ME, first["nextCursor"], 3)
    cids = [
        one["singleChatUserConversation"]["singleChatConversation"]["cid"]
        for one in first["userConvs"] + second["userConvs"]
    ]

    assert cids == ["c0@goofish", "c4@goofish", "c3@goofish", "c2@goofish", "c1@goofish"]
    assert (first["hasMore"], second["hasMore"]) == (1, 0)


def test_one_id_is_kept_once() -> None:
    """The same message pushed again is still one message."""
    box = mailbox(message(1), message(2), message(1))

    assert [one.id for one in box.messages()] == ["1.PNM", "2.PNM"]


def test_messages_come_oldest_first() -> None:
    """Over all conversations, by time."""
    box = mailbox(message(3, "a"), message(1, "b"), message(2, "a"))

    assert [one.time for one in box.messages()] == [1, 2, 3]


def test_moments_differ() -> None:
    """No two messages share a time, so pages never lose one at their border."""
    box = Mailbox()

    assert [box.moment(5), box.moment(5), box.moment(4), box.moment(9)] == [5, 6, 7, 9]


def test_own_last_message_leaves_nothing_unread() -> None:
    """A conversation whose last message is our own has no red point."""
    box = mailbox(message(1), message(2, sender=ME))
    (shown,) = box.conversations(ME, NOW, 5)["userConvs"]

    assert shown["singleChatUserConversation"]["redPoint"] == 0
    assert shown["singleChatUserConversation"]["singleChatConversation"]["pairSecond"] == f"{PEER}@goofish"


def test_unknown_conversation_is_empty() -> None:
    """Asking for one that is not there is no error."""
    assert mailbox().history("nothing", NOW, 5) == {"hasMore": 0, "nextCursor": 0, "userMessageModels": []}


def test_uuids_are_remembered() -> None:
    """A send's id is found again by its uuid."""
    box = Mailbox()

    assert box.sent_before("-11") is None
    box.note_sent("-11", "x.PNM")
    assert box.sent_before("-11") == "x.PNM"


def test_oldest_messages_make_room() -> None:
    """A conversation keeps its newest 20,000."""
    box = mailbox(*(message(number) for number in range(20_003)))

    assert len(box.messages()) == 20_000
    assert box.messages()[0].time == 3


def test_content_by_type() -> None:
    """Text and card hold their text, an image its picture."""
    assert content(message(1)) == {"contentType": 1, "text": {"text": "m1"}}
    assert content(message(1, content_type=26))["contentType"] == 26
    assert content(message(1, content_type=2, text="u"))["image"]["pics"][0]["url"] == "u"
    listed = mailbox(message(1)).history("51000000001", NOW, 1)["userMessageModels"][0]["message"]

    assert json.loads(base64.b64decode(listed["content"]["custom"]["data"])) == content(message(1))
