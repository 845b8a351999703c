"""A gateway whose clock differs from ours, and one that drops whoever does not ack."""

from __future__ import annotations

import time

import pytest

from support.gateway import Gateway
from support.imclient import UNB, Login, connected, dial


@pytest.mark.parametrize("seconds", [-1200, 1200.5])
async def test_its_clock_differs(gateway: Gateway, seconds: float) -> None:
    """The answer to `/reg`, pushes and messages carry the shifted time; lifted, they carry ours again."""
    gateway.fault(UNB, kind="clock", seconds=seconds)
    async with dial(gateway) as client:
        answer = await client.reg(await Login(gateway).token())
        vulcan = await client.push("/s/vulcan")
        gateway.push(UNB, "你好")
        push = await client.push()
    said = [answer["body"]["timestamp"], *(one["body"]["syncPushPackage"]["timestamp"] for one in (vulcan, push))]
    said.append(gateway.messages(UNB)[0]["time"])

    assert all(abs(one / 1000 - time.time() - seconds) < 5 for one in said)


async def test_missing_ack_ends_the_connection(gateway: Gateway) -> None:
    """Whoever acks in time stays; a push that is not acked ends the connection."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="ack_or_drop", seconds=0.2)
        gateway.push(UNB, "一")
        await client.ack(await client.push())
        assert await client.silent(0.8)
        gateway.push(UNB, "二")
        await client.push()
        assert await client.closed() == 1006
