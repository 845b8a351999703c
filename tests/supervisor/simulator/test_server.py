"""The listening side: handshakes and their faults, TLS, the port, and a polite end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
import websockets

from support.gateway import Gateway
from support.imclient import ORIGIN, UNB, Login, connected, dial

_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.fixture
def shared(fresh_gateway: Gateway) -> Gateway:
    """Use the gateway that serves the whole run."""
    return fresh_gateway


@pytest.fixture(scope="module")
def _resident_tls_gateway() -> Iterator[Gateway]:
    with Gateway("--tls") as running:
        yield running


@pytest.fixture
def tls_gateway(_resident_tls_gateway: Gateway) -> Gateway:
    """Give one that speaks TLS, as new."""
    _resident_tls_gateway.reset()
    return _resident_tls_gateway


async def handshake(gateway: Gateway, **more: Any) -> int:
    """Try a handshake and return the HTTP status that it got."""
    try:
        async with dial(gateway, **more):
            return 101
    except websockets.InvalidStatus as error:
        return int(error.response.status_code)
    except websockets.InvalidMessage:  # the library answers with HTTP/1.0, which the client does not take
        return 400


async def test_handshake_takes_what_public_clients_send(shared: Gateway) -> None:
    """S1, S3: no Origin, no User-Agent, Host twice: all of these get in; a foreign Origin does not, and is counted."""
    twice = {"Host": "wss-goofish.dingtalk.com", "Connection": "Upgrade"}
    assert await handshake(shared) == 101
    assert await handshake(shared, origin=None, user_agent_header=None) == 101
    assert await handshake(shared, additional_headers=twice) == 101
    assert await handshake(shared, origin="https://example.com") == 403
    assert shared.stats()["refused"] == 1


async def test_strict_handshake_needs_all_and_nothing_twice() -> None:
    """With --strict each of these is refused."""
    with Gateway("--strict") as strict:
        assert await handshake(strict) == 101
        assert await handshake(strict, origin=None) == 403
        assert await handshake(strict, user_agent_header=None) == 403
        assert await handshake(strict, additional_headers={"Host": "wss-goofish.dingtalk.com"}) == 400


async def test_compression_is_not_negotiated(shared: Gateway) -> None:
    """A client that offers permessage-deflate gets none."""
    async with dial(shared, compression="deflate") as client:
        assert client.socket.protocol.extensions == []


async def test_plain_http_gets_an_answer(shared: Gateway) -> None:
    """Not everything that comes is a WebSocket: 400, and nothing breaks."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{shared.port}/", headers={"Origin": ORIGIN}) as answer:
            assert answer.status == 400
        async with session.get(f"http://127.0.0.1:{shared.port}/nothing") as answer:
            assert answer.status == 404


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_http_status_answers_the_handshake(shared: Gateway, status: int) -> None:
    """With the fault's status, as often as it says; the dial is counted for nobody."""
    shared.fault(kind="http_status", status=status, count=1)

    assert await handshake(shared) == status
    assert await handshake(shared) == 101
    assert shared.stats()["dials"] == 2


async def test_half_open_never_answers(shared: Gateway) -> None:
    """TCP is accepted, the handshake is not; a client that leaves is forgotten."""
    shared.fault(kind="half_open")
    with pytest.raises(TimeoutError):
        await handshake(shared, open_timeout=0.3)
    shared.clear()

    assert await handshake(shared) == 101
    assert shared.stats()["dials"] == 2


async def test_half_open_still_takes_token_calls(shared: Gateway) -> None:
    """Only the handshake is swallowed."""
    shared.fault(kind="half_open")

    assert await Login(shared).token()


async def test_tls_with_the_built_in_certificate(tls_gateway: Gateway) -> None:
    """wss and https, for a client that trusts the file named, and for no other."""
    assert tls_gateway.endpoint.startswith("wss://127.0.0.1:")
    assert tls_gateway.token_url.startswith("https://127.0.0.1:")
    assert tls_gateway.ca_file is not None
    trusting = ssl.create_default_context(cafile=tls_gateway.ca_file)
    async with dial(tls_gateway, ssl=trusting) as client:
        assert (await client.call("/!"))["code"] == 401
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(tls_gateway, ssl=ssl.create_default_context())
    async with (
        aiohttp.ClientSession() as session,
        session.post(tls_gateway.token_url, ssl=trusting, headers={"Cookie": f"unb={UNB}; cookie2=x"}) as answer,
    ):
        assert json.loads(await answer.text())["ret"][0].startswith("FAIL_SYS_TOKEN_EMPTY")


@pytest.mark.parametrize("how", ["reset", "none", 1012])
async def test_ends_over_tls(shared: Gateway, tls_gateway: Gateway, how: object) -> None:
    """Ends and stalls work under TLS as well."""
    trusting = ssl.create_default_context(cafile=tls_gateway.ca_file)
    async with dial(tls_gateway, ssl=trusting) as client:
        token = await Login(shared).token()  # good at every gateway
        assert (await client.reg(token))["code"] == 200
        stall = tls_gateway.fault(UNB, kind="stall")
        await client.send("/!")
        await asyncio.sleep(0.1)
        assert tls_gateway.stats(UNB)["beats"] == 0
        tls_gateway.clear(stall)
        assert (await client.call("/!"))["code"] == 200
        tls_gateway.drop(UNB, how)  # type: ignore[arg-type]
        assert await client.closed() == (how if isinstance(how, int) else 1006)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_close_politely_and_soon(number: signal.Signals) -> None:
    """Clients see 1001; the process ends with 0."""
    gateway = Gateway()
    try:
        async with connected(gateway) as one, dial(gateway) as other:
            start = time.monotonic()
            if number == signal.SIGINT:
                gateway.process.send_signal(number)
                await asyncio.sleep(0.2)
                assert gateway.process.poll() is None  # with --parent-pid, Ctrl-C is the parent's to handle
            gateway.process.terminate()

            assert [await one.closed(), await other.closed()] == [1001, 1001]
        assert await asyncio.to_thread(gateway.process.wait, 5) == 0
        assert time.monotonic() - start < 3
    finally:
        gateway.close()


async def test_clients_that_do_not_answer_don_t_hold_the_end_up() -> None:
    """One is stalled, one hangs in a half-open handshake, one waits for a slow token: gone within 3 s."""
    gateway = Gateway()
    try:
        async with connected(gateway) as client:
            gateway.fault(kind="stall")
            gateway.fault(kind="half_open")
            gateway.fault(kind="token_slow", seconds=60)
            hanging = asyncio.create_task(handshake(gateway))
            waiting = asyncio.create_task(Login(gateway).call())
            client.socket.transport.pause_reading()
            await asyncio.sleep(0.3)
            start = time.monotonic()
            gateway.process.terminate()

            assert await asyncio.to_thread(gateway.process.wait, 5) == 0
            assert time.monotonic() - start < 3
            client.socket.transport.abort()
            await asyncio.gather(hanging, waiting, return_exceptions=True)
    finally:
        gateway.close()


async def test_who_hangs_up_in_the_handshake_is_no_fault(capfd: pytest.CaptureFixture[str]) -> None:
    """Twenty clients are gone before their handshake is answered: nothing is logged, and the next one gets in."""
    gateway = Gateway()
    try:
        for _ in range(20):
            gateway.process.send_signal(signal.SIGSTOP)
            with socket.create_connection(("127.0.0.1", gateway.port)) as gone:
                gone.sendall(_HANDSHAKE)
            gateway.process.send_signal(signal.SIGCONT)
        assert await handshake(gateway) == 101
    finally:
        gateway.close()
    assert capfd.readouterr().err == ""


async def test_port_can_be_taken_again_at_once() -> None:
    """A gateway that was ended leaves its port free for the next, in spite of connections that were open."""
    with Gateway() as first:
        port = first.port
        async with connected(first):
            first.close()
    with Gateway("--port", str(port)) as second:
        assert second.port == port
        assert await handshake(second) == 101


async def test_port_stays_ours_while_the_door_is_shut() -> None:
    """Nobody else can take it meanwhile."""
    with Gateway() as gateway:
        gateway.fault(kind="refuse")
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", gateway.port))


async def test_a_crowd_of_dials_is_taken_at_once() -> None:
    """The backlog holds 400 dials that come at the same moment."""
    with Gateway() as gateway:
        sockets = [socket.socket() for _ in range(400)]
        try:
            for one in sockets:
                one.setblocking(False)
            loop = asyncio.get_running_loop()
            start = time.monotonic()
            await asyncio.gather(*(loop.sock_connect(one, ("127.0.0.1", gateway.port)) for one in sockets))

            assert time.monotonic() - start < 0.9  # a dropped SYN would be sent again after a second
        finally:
            for one in sockets:
                one.close()
