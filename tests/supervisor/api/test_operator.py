"""Who asks, when nobody is there any more."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from xyfleet.supervisor.api.requests import operator


async def test_a_peer_that_left_is_no_fault() -> None:
    """Finding 36: a client that is gone when its request is looked at counts as a broken connection."""
    request = make_mocked_request("POST", "/v1/stop")
    request.protocol.transport = None

    with pytest.raises(ConnectionResetError):
        await operator(request)
