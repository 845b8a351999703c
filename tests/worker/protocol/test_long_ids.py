"""Ids are short: of what is no id nothing is kept but the payload."""

from __future__ import annotations

import base64
import json

import pytest

from support.pushes import ME, frame_body
from xyfleet.worker.protocol.items import pushed
from xyfleet.worker.protocol.json_values import LONGEST_ID, as_id


@pytest.mark.parametrize("length", [LONGEST_ID + 1, 100_000])
def test_a_conversation_that_is_none(length: int) -> None:
    """The message is stored without it; 200 that wait, with 3 MB each, would take 600 MB."""
    head = {
        "2": "6" * length + "@goofish",
        "3": "1.PNM",
        "10": {"senderUserId": "2" * length, "reminderContent": "hi"},
    }
    data = base64.b64encode(json.dumps({"1": head}).encode()).decode()
    (found,) = pushed(frame_body({"objectType": 40000, "data": data}), ME)

    assert (found.id, found.conversation, found.sender, found.text) == ("1.PNM", None, None, "hi")


def test_the_longest_id() -> None:
    """It is one."""
    assert as_id("6" * LONGEST_ID) == "6" * LONGEST_ID
    assert as_id(6) == "6"
