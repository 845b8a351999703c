"""How the gateway answers heartbeats, and how each fault spoils it: over real sockets, with another library."""

from __future__ import annotations

import asyncio
import time

from support.gateway import Gateway
from support.imclient import OTHER, UNB, connected, dial


async def test_beat_is_answered_with_its_mid_and_no_body(gateway: Gateway) -> None:
    """Code 200, the same mid, nothing else."""
    async with connected(gateway) as client:
        mid = await client.send("/!")
        answer = await client.receive()

    assert answer["code"] == 200
    assert answer["headers"]["mid"] == mid
    assert "body" not in answer
    assert (gateway.stats(UNB)["beats"], gateway.stats(UNB)["answers"]) == (1, 1)


async def test_beat_before_reg_is_refused(gateway: Gateway) -> None:
    """A socket without a login has no heartbeat."""
    async with dial(gateway) as client:
        answer = await client.call("/!")

    assert (answer["code"], answer["body"]["reason"]) == (401, "not auth")


async def test_mute_swallows_beats_at_once_and_pings_are_still_answered(gateway: Gateway) -> None:
    """The zombie that a library ping does not see."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="mute")
        await client.send("/!")

        assert await client.silent(0.2)
        await asyncio.wait_for(await client.socket.ping(), 2)
        gateway.clear()
        assert (await client.call("/!"))["code"] == 200
    figures = gateway.stats(UNB)
    assert (figures["beats"], figures["answers"]) == (2, 1)


async def test_mute_spares_other_accounts(gateway: Gateway) -> None:
    """A fault strikes whom it names."""
    gateway.fault(UNB, kind="mute")
    async with connected(gateway, OTHER) as client:
        assert (await client.call("/!"))["code"] == 200


async def test_mute_of_live_connections_spares_the_next_one(gateway: Gateway) -> None:
    """`connections: live` is over for whoever dials again."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="mute", connections="live")
        await client.send("/!")

        assert await client.silent(0.1)
    async with connected(gateway) as client:
        assert (await client.call("/!"))["code"] == 200


async def test_mute_of_new_connections_spares_the_present_one(gateway: Gateway) -> None:
    """`connections: new` waits for the next dial."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="mute", connections="new")

        assert (await client.call("/!"))["code"] == 200
    async with connected(gateway) as client:
        await client.send("/!")

        assert await client.silent(0.1)


async def test_count_limits_strikes(gateway: Gateway) -> None:
    """After `count` beats all is well again."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="non_200", count=2)
        codes = [(await client.call("/!"))["code"] for _ in range(3)]

    assert codes == [500, 500, 200]


async def test_wrong_mid_answers_another_beat(gateway: Gateway) -> None:
    """Code 200 with a mid that nobody sent."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="wrong_mid")
        mid = await client.send("/!")
        answer = await client.receive()

    assert answer["code"] == 200
    assert answer["headers"]["mid"].split()[0] != mid.split()[0]


async def test_other_answer_echoes_some_other_call(gateway: Gateway) -> None:
    """Instead of the beat's answer comes one to the last call, with a body."""
    async with connected(gateway) as client:
        other = await client.send("/r/SyncStatus/getState", [{"topic": "sync"}])
        await client.answer(other)
        gateway.fault(UNB, kind="other_answer")
        await client.send("/!")
        answer = await client.receive()

    assert (answer["code"], answer["headers"]["mid"]) == (200, other)
    assert "messageId" in answer["body"]


async def test_late_answers_after_its_time(gateway: Gateway) -> None:
    """The right answer, but not before `seconds`."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="late", seconds=0.3)
        start = time.monotonic()
        answer = await client.call("/!")

    assert answer["code"] == 200
    assert time.monotonic() - start >= 0.29


async def test_late_answer_to_a_client_that_left_is_dropped(gateway: Gateway) -> None:
    """The gateway does not stumble over a connection that is gone."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="late", seconds=0.2)
        await client.send("/!")
    await asyncio.sleep(0.3)

    assert gateway.process.poll() is None
    assert gateway.stats(UNB)["sockets"] == 0


async def test_answer_with_body_is_still_an_answer(gateway: Gateway) -> None:
    """The mid is right; the body does no harm."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="answer_with_body")
        answer = await client.call("/!")

    assert "body" in answer
    assert gateway.stats(UNB)["answers"] == 1


async def test_non_200_keeps_the_connection(gateway: Gateway) -> None:
    """The code is the fault's; the connection stands."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="non_200", code=403)

        assert (await client.call("/!"))["code"] == 403
        assert (await client.call("/!"))["code"] == 403
