"""Faults that push: messages twice, big frames, garbage, storms."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

import pytest

from support.gateway import Gateway
from support.imclient import UNB, connected


def decoded(push: dict[str, Any]) -> list[bytes]:
    """Return the payloads of a push."""
    return [base64.b64decode(item["data"]) for item in push["body"]["syncPushPackage"]["data"]]


async def test_message_and_duplicate(gateway: Gateway) -> None:
    """One message once; one twice, under two mids."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="message", text="还在吗")
        once = await client.push()
        gateway.fault(UNB, kind="duplicate")
        first, second = await client.push(), await client.push()

    assert "还在吗".encode() in decoded(once)[0]
    assert decoded(first) == decoded(second)
    assert first["headers"]["mid"] != second["headers"]["mid"]


async def test_items32_has_a_receipt_first(gateway: Gateway) -> None:
    """32 items in one frame; or as many as asked for."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="items32")
        types = [item["objectType"] for item in (await client.push())["body"]["syncPushPackage"]["data"]]
        gateway.fault(UNB, kind="items32", items=3)
        few = (await client.push())["body"]["syncPushPackage"]["data"]

    assert types == [40103] + [40000] * 31
    assert len(few) == 3


async def test_big_frame_is_a_good_push(gateway: Gateway) -> None:
    """5 MiB of payload and a chat message, in one frame."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="big_frame")
        push = await client.push(timeout=20)
        sizes = [len(payload) for payload in decoded(push)]
        await client.ack(push)

        assert sizes[1] > 5 << 20
        assert (await client.call("/!"))["code"] == 200


async def test_frame_above_the_client_s_limit(gateway: Gateway) -> None:
    """A client that allows less hangs up with 1009, and the gateway hears it."""
    async with connected(gateway, max_size=1 << 20) as client:
        gateway.fault(UNB, kind="big_frame", size=2 << 20)

        assert await client.gave_up() == 1009
    await asyncio.to_thread(gateway.until, lambda: gateway.stats(UNB)["closes"], "the end is counted")
    assert gateway.stats(UNB)["closes"] == {"1009": 1}


@pytest.mark.parametrize(("what", "code"), [("utf8", 1007), ("frame", 1002)])
async def test_garbage_that_breaks_the_connection(gateway: Gateway, what: str, code: int) -> None:
    """No UTF-8 and no WebSocket frame: the client must hang up."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="garbage_frame", what=what)

        assert await client.gave_up() == code


async def test_garbage_that_only_makes_no_sense(gateway: Gateway) -> None:
    """A text that is no JSON, and a binary frame: the connection stands."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="garbage_frame")
        assert await client.socket.recv() == "<html"
        gateway.fault(UNB, kind="garbage_frame", what="binary")
        assert await client.socket.recv() == b"\x00\x01\x02"
        assert (await client.call("/!"))["code"] == 200


async def test_push_storm_has_its_rate_and_number(gateway: Gateway) -> None:
    """So many messages a second until the count is reached."""
    async with connected(gateway) as client:
        start = time.monotonic()
        gateway.fault(UNB, kind="push_storm", rate=100, count=30)
        for _message in range(30):
            await client.ack(await client.push())
        took = time.monotonic() - start

        assert await client.silent(0.2)
    assert took >= 0.25
    assert len(gateway.messages(UNB)) == 30


async def test_push_storm_ends_with_its_window_or_when_lifted(gateway: Gateway) -> None:
    """`for` ends it; so does lifting it."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="push_storm", rate=40, for_=0.2)
        gateway.until(lambda: len(gateway.messages(UNB)) >= 2, "it pushes")
        await asyncio.sleep(0.4)
        first = len(gateway.messages(UNB))
        gateway.fault(UNB, kind="push_storm", rate=40)
        gateway.until(lambda: len(gateway.messages(UNB)) > first, "it pushes again")
        gateway.clear()
        second = len(gateway.messages(UNB))
        await asyncio.sleep(0.2)

        assert first <= 8
        assert len(gateway.messages(UNB)) == second
        assert client.socket.close_code is None
