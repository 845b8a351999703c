"""Pushes of types that are not known here are looked at whatever bytes are in them."""

from __future__ import annotations

import msgspec

from support.pushes import ME
from xyfleet.worker.protocol.items import pushed
from xyfleet.worker.protocol.known import odd_types


def test_a_strange_item_that_is_no_utf_8() -> None:
    """It is counted like any other, and kept as an unknown message: else the server would push it for ever."""
    body = b'{"syncPushPackage": {"data": [{"objectType": 40999, "data": "\xff\xfe"}]}}'

    assert list(odd_types(body)) == [(40999, msgspec.json.encode("<no JSON 4>").decode())]
    assert [each.kind for each in pushed(body, ME)] == ["unknown"]
