"""Faults that do something by themselves: ends, stalls, the door, each at its time."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import time

import pytest

from support.gateway import Gateway
from support.imclient import OTHER, UNB, Client, Login, connected, dial

LEGAL = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]


async def refused(gateway: Gateway) -> bool:
    """Tell whether nobody listens on the gateway's port."""
    try:
        _reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    except ConnectionRefusedError:
        return True
    writer.transport.abort()
    return False


# Ends.


@pytest.mark.parametrize("code", LEGAL)
async def test_close_with_every_legal_code(gateway: Gateway, code: int) -> None:
    """The client sees the very code."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="close", code=code)

        assert await client.closed() == code


async def test_close_without_a_code(gateway: Gateway) -> None:
    """1005: a close frame with nothing in it."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="close", code=1005)

        assert await client.closed() == 1005


@pytest.mark.parametrize("how", ["none", 1006])
async def test_close_without_a_close_frame(gateway: Gateway, how: object) -> None:
    """1006: TCP just ends."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="close", code=how)

        assert await client.closed() == 1006


async def test_closed_connection_is_not_live_at_once(gateway: Gateway) -> None:
    """Whatever the client still says on it is not answered, and a new dial is no overlap."""
    token = await Login(gateway).token()
    async with connected(gateway, token=token) as old:
        old.socket.transport.pause_reading()
        gateway.fault(UNB, kind="close", code=1001)
        assert gateway.stats(UNB)["live"] == 0
        await old.send("/!")
        old.socket.transport.resume_reading()
        async with connected(gateway, token=token):
            assert gateway.stats(UNB)["overlaps"] == 0
        assert await old.closed() == 1001
    assert gateway.stats(UNB)["beats"] == 0


async def test_client_that_never_answers_a_close_frame_is_aborted(gateway: Gateway) -> None:
    """The gateway does not wait for ever."""
    async with connected(gateway) as client:
        client.socket.transport.pause_reading()
        gateway.fault(UNB, kind="close", code=1000)
        await asyncio.sleep(0.1)
        assert gateway.stats(UNB)["sockets"] == 1
        await asyncio.to_thread(gateway.until, lambda: not gateway.stats(UNB)["sockets"], "the socket is gone")
        client.socket.transport.abort()


async def test_reset_is_a_tcp_reset(gateway: Gateway) -> None:
    """The client's socket has an error, and no close frame came."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="reset")

        assert await client.closed() == 1006
        assert client.error is not None
        assert isinstance(client.error.__cause__, ConnectionResetError)


async def test_close_spares_other_accounts(gateway: Gateway) -> None:
    """Acts strike whom they name."""
    async with connected(gateway) as mine, connected(gateway, OTHER) as other:
        gateway.fault(UNB, kind="close")

        assert await mine.closed() == 1000
        assert (await other.call("/!"))["code"] == 200


async def test_act_on_live_connections_is_done_once(gateway: Gateway) -> None:
    """The next connection is left alone."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="close")
        await client.closed()
    async with connected(gateway) as client:
        assert (await client.call("/!"))["code"] == 200
    assert gateway.ask("GET", "faults")["faults"] == []


async def test_act_waits_for_its_time(gateway: Gateway) -> None:
    """`at` counts from the request."""
    async with connected(gateway) as client:
        start = time.monotonic()
        gateway.fault(UNB, kind="close", at=0.3)

        assert await client.closed() == 1000
    assert time.monotonic() - start >= 0.29


async def test_act_repeats(gateway: Gateway) -> None:
    """`every` closes each connection that is live then, however long its dial took."""
    token = await Login(gateway).token()
    gateway.fault(UNB, kind="close", at=0.2, every=0.2)
    for _round in range(2):
        async with dial(gateway) as client:
            await client.send_reg(token)
            assert await client.closed() == 1000


async def test_act_repeats_so_often(gateway: Gateway) -> None:
    """`count` limits how often: an act that nobody is there for would count too, so the connection stays."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="kickout", close=None, every=0.2, count=2)
        for _round in range(2):
            await client.push("/push/kickout")

        assert await client.silent(0.5)


async def test_lifted_act_is_not_done(gateway: Gateway) -> None:
    """Neither one whose time has not come nor one that waits for `after`."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="close", at=0.2)
        gateway.fault(UNB, kind="close", after=0.2)
        gateway.clear()

        assert await client.silent(0.4)


async def test_drop_ends_every_connection_after_its_time(gateway: Gateway) -> None:
    """Accept, register, drop: the live one and each new one."""
    token = await Login(gateway).token()
    async with connected(gateway, token=token) as client:
        gateway.fault(UNB, kind="drop", after=0.2)

        assert await client.closed() == 1006
    for _round in range(2):
        start = time.monotonic()
        async with connected(gateway, token=token) as client:
            assert await client.closed() == 1006
        assert time.monotonic() - start >= 0.19


async def test_reg_then_close_is_a_success_and_a_drop(gateway: Gateway) -> None:
    """The good answer comes, then the end."""
    gateway.fault(UNB, kind="reg_then_close", code=1000)
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        assert (await client.reg(token))["code"] == 200
        assert await client.closed() == 1000


async def test_kickout_tells_and_closes(gateway: Gateway) -> None:
    """The push, then the close frame."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="kickout")

        assert await client.push("/push/kickout")
        assert await client.closed() == 1000
    assert gateway.stats(UNB)["kicks"] == 1


async def test_kickout_can_leave_the_connection_open(gateway: Gateway) -> None:
    """`close: null`: the client has to leave by itself."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="kickout", close=None)
        await client.push("/push/kickout")

        assert (await client.call("/!"))["code"] == 200


async def test_kickout_after_every_registration(gateway: Gateway) -> None:
    """A rival that takes each new connection away."""
    gateway.fault(UNB, kind="kickout", connections="new", after=0.1, count=2)
    token = await Login(gateway).token()
    for _round in range(2):
        async with connected(gateway, token=token) as client:
            await client.push("/push/kickout")
    async with connected(gateway, token=token) as client:
        assert await client.silent(0.3)
    assert gateway.stats(UNB)["kicks"] == 2


async def test_session_remove_tells_and_closes(gateway: Gateway) -> None:
    """The other control push; it is no kick-out."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="session_remove")

        assert await client.push("/s/session/remove")
        assert await client.closed() == 1000
    assert gateway.stats(UNB)["kicks"] == 0


# Stalls.


async def stuck(client: Client) -> asyncio.Task[None]:
    """Start sending more than any buffer takes, on a socket with a small one."""
    client.socket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sending = asyncio.create_task(client.socket.send("x" * (4 << 20)))
    await asyncio.sleep(0.2)
    return sending


async def test_stall_blocks_a_client_until_it_is_lifted(gateway: Gateway) -> None:
    """Beats are unanswered, the write buffer is full; afterwards everything is read."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="stall")
        sending = await stuck(client)

        assert not sending.done()
        assert gateway.stats(UNB)["live"] == 0
        gateway.clear()
        await asyncio.wait_for(sending, 10)
        assert (await client.call("/!"))["code"] == 200
        assert gateway.stats(UNB)["live"] == 1


async def test_stalled_client_can_dial_again_without_an_overlap(gateway: Gateway) -> None:
    """The gateway can't hear that it left, so its old connection counts for nothing."""
    token = await Login(gateway).token()
    async with connected(gateway, token=token) as client:
        gateway.fault(UNB, kind="stall", connections="live")
        sending = await stuck(client)
        client.socket.transport.abort()
        await asyncio.wait([sending], timeout=5)
        assert sending.done()
    async with connected(gateway, token=token) as client:
        assert (await client.call("/!"))["code"] == 200
    figures = gateway.stats(UNB)
    assert (figures["overlaps"], figures["max_live"], figures["kicks"]) == (0, 1, 0)


async def test_stall_of_new_connections_begins_after_reg(gateway: Gateway) -> None:
    """They register, and are not read any more; with `for` the stall ends by itself."""
    gateway.fault(UNB, kind="stall", connections="new", for_=0.5)
    token = await Login(gateway).token()
    async with dial(gateway) as client:
        assert (await client.reg(token))["code"] == 200
        await client.push("/s/vulcan")
        await client.send("/!")

        assert await client.silent(0.1)
        assert (await client.receive())["code"] == 200


# The door.


async def test_refuse_shuts_the_port_and_opens_it_again(gateway: Gateway) -> None:
    """New connections are refused, live ones stand, control is reachable; afterwards the same port listens."""
    async with connected(gateway) as client:
        gateway.fault(kind="refuse", for_=0.4)

        assert await refused(gateway)
        assert (await client.call("/!"))["code"] == 200
        assert gateway.stats()["live"] == 1
        await asyncio.sleep(0.5)
        assert not await refused(gateway)
    async with connected(gateway) as client:
        assert (await client.call("/!"))["code"] == 200


async def test_refuse_can_take_the_whole_gateway_away(gateway: Gateway) -> None:
    """`connections: all` resets everybody, too; lifting it brings the gateway back."""
    async with connected(gateway) as mine, connected(gateway, OTHER) as other:
        gateway.fault(kind="refuse", connections="all")

        assert [await mine.closed(), await other.closed()] == [1006, 1006]
    assert await refused(gateway)
    gateway.clear()
    assert not await refused(gateway)


async def test_two_refusals_end_with_the_later_one(gateway: Gateway) -> None:
    """The door opens when nobody shuts it any more."""
    first = gateway.fault(kind="refuse")
    gateway.fault(kind="refuse")
    gateway.clear(first)

    assert await refused(gateway)
    gateway.clear()
    assert not await refused(gateway)


async def test_refuse_in_windows(gateway: Gateway) -> None:
    """With `every` the door shuts again and again."""
    gateway.fault(kind="refuse", for_=0.2, every=0.6)
    seen = []
    for _look in range(12):
        seen.append(await refused(gateway))
        await asyncio.sleep(0.1)
    changes = sum(1 for before, after in itertools.pairwise(seen) if before != after)

    assert seen[0]
    assert changes >= 2


async def test_messages_of_acts_are_kept(gateway: Gateway) -> None:
    """What a fault pushed can be listed like any other message."""
    async with connected(gateway) as client:
        gateway.fault(UNB, kind="message", text="a")
        await client.push()

    assert [message["text"] for message in gateway.messages(UNB)] == ["a"]


async def test_session_expires_at_its_time_again_and_again(gateway: Gateway) -> None:
    """With `every`, each new login dies at the next round."""
    login = Login(gateway)
    await login.token()
    gateway.fault(UNB, kind="session_expired", at=0.2, every=0.2, for_=0.1)
    for number in range(2):
        assert json.loads((await login.call())[1])["ret"][0].startswith("SUCCESS")
        await asyncio.sleep(0.25)
        assert json.loads((await login.call())[1])["ret"][0].startswith("FAIL_SYS_SESSION_EXPIRED")
        login.cookies["cookie2"] = f"sim-new-{number}"
