"""Numbers that a sender's own client writes into a message: none keeps it, or those beside it, from being stored."""

from __future__ import annotations

import base64
import json

import pytest

from support.pushes import ME, frame_body
from support.stores import NO_HANDLER, add
from xyfleet.worker.protocol.items import pushed
from xyfleet.worker.protocol.json_values import as_int
from xyfleet.worker.storage.message_store import MessageStore

pytestmark = pytest.mark.pythons


def item(number: object, id_: str) -> dict[str, object]:
    """Return a chat message as a push has it, whose content says that it is of this type."""
    content = json.dumps({"contentType": number, "text": {"text": "你好"}})
    head = {
        "2": "61000000001@goofish",
        "3": id_,
        "5": "1764532800000",
        "6": {"3": {"4": number, "5": content}},
        "10": {"senderUserId": "2299", "reminderContent": "你好"},
    }
    return {"objectType": 40000, "data": base64.b64encode(json.dumps({"1": head}).encode()).decode()}


@pytest.mark.parametrize(
    "number", [2**63, 2**64 - 1, -(2**63) - 1, "9223372036854775808", "9" * 19, "9" * 30, 10**400, 1e300]
)
def test_a_content_type_that_no_file_takes(store: MessageStore, number: object) -> None:
    """It counts as none: the push would be sent again for ever, and catching up would end its worker each time."""
    found = pushed(frame_body(item(number, "1.PNM"), item(1, "2.PNM")), ME)
    rows = add(store, *found, rules=NO_HANDLER)

    assert [(row.message.id, row.message.text) for row in rows] == [("1.PNM", "你好"), ("2.PNM", "你好")]
    assert [row.message.content_type for row in rows] == [None, 1]


@pytest.mark.parametrize(
    ("value", "number"),
    [(2**63 - 1, 2**63 - 1), (-(2**63), -(2**63)), ("9223372036854775807", 2**63 - 1), (True, None)],
)
def test_the_largest_numbers_are_numbers(value: object, number: int | None) -> None:
    """Up to the last one."""
    assert as_int(value) == number
