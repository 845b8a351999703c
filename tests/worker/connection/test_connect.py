"""Opening a socket: straight, through proxies, over TLS, and every way in which it fails."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError, InvalidProxy
from websockets.frames import Close

from support.gateway import Gateway
from support.proxies import TinyProxy
from support.station import FAST, TLS, open_sockets, settings_for, until
from xyfleet.worker.causes import Cause, ConnectionLost
from xyfleet.worker.connection.connect import dial
from xyfleet.worker.connection.loss_causes import ServerClosed, lost_by_close, lost_by_dial
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import WorkerSettings

QUICK = msgspec.structs.replace(FAST, open_timeout=0.5)


@pytest.fixture(scope="module")
def door() -> Iterator[Gateway]:
    """Run one gateway for all tests of this file."""
    with Gateway() as running:
        yield running


@pytest.fixture
def gateway(door: Gateway) -> Iterator[Gateway]:
    """Return the gateway without faults."""
    yield door
    door.clear()


@asynccontextmanager
async def no_socket_left() -> AsyncIterator[None]:
    """See that no socket stays behind; where the other end lives in this process, it closes its own after ours."""
    before = open_sockets()
    yield
    await until(lambda: open_sockets() <= before, timeout=3)


def settings(endpoint: str, **more: Any) -> WorkerSettings:
    """Return settings with a short open timeout."""
    return settings_for(endpoint, Path("unused"), QUICK, **more)


async def opened(chosen: WorkerSettings, tls: ssl.SSLContext = TLS) -> None:
    """Open a connection, see that it works, and close it."""
    connection = await dial(chosen, tls)
    try:
        assert isinstance(connection, ClientConnection)
        pong = await connection.ping()
        await asyncio.wait_for(pong, 2)
    finally:
        await connection.close()


async def failure(chosen: WorkerSettings, tls: ssl.SSLContext = TLS) -> ConnectionLost:
    """Return why a dial fails."""
    with pytest.raises(ConnectionLost) as caught:
        await dial(chosen, tls)
    return caught.value


def unused_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def test_straight(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a proxy the gateway is reached directly, also when the environment names a proxy."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("ws_proxy", f"http://127.0.0.1:{unused_port()}")
    await opened(settings(gateway.endpoint))


async def test_headers_on_the_wire() -> None:
    """The handshake carries origin and user agent, no cookie, and offers no compression."""
    heads: list[str] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.close()

    async with no_socket_left(), await asyncio.start_server(take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await failure(settings(f"ws://127.0.0.1:{port}/", user_agent="Tester/1.0"))

    assert "origin: https://www.goofish.com\r\n" in heads[0]
    assert "user-agent: tester/1.0\r\n" in heads[0]
    assert "sec-websocket-extensions" not in heads[0]
    assert "cookie" not in heads[0]


@pytest.mark.parametrize("kind", ["socks5", "http"])
@pytest.mark.parametrize("login", [None, "user:pass word!"])
async def test_through_a_proxy(gateway: Gateway, kind: Any, login: str | None) -> None:
    """SOCKS5 and HTTP proxies are used, with and without a password."""
    async with no_socket_left(), TinyProxy(kind, login=login) as proxy:
        address = proxy.url.replace(" ", "%20")
        await opened(settings(gateway.endpoint, proxy=Secret(address)))

    assert proxy.asked == [("127.0.0.1", gateway.port)]


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_the_proxy_resolves_the_names(gateway: Gateway, scheme: str) -> None:
    """A SOCKS proxy is given the name of the gateway, not an address that was looked up here."""
    async with no_socket_left(), TinyProxy("socks5") as proxy:
        endpoint = gateway.endpoint.replace("127.0.0.1", "localhost")
        await opened(settings(endpoint, proxy=Secret(proxy.url.replace("socks5:", f"{scheme}:"))))

    assert proxy.asked == [("localhost", gateway.port)]


@pytest.mark.parametrize("kind", ["socks5", "http"])
@pytest.mark.parametrize("mode", ["refuse", "mute", "hang up"])
async def test_a_failing_proxy_fails_closed(gateway: Gateway, kind: Any, mode: Any) -> None:
    """A proxy that refuses, is silent or hangs up means no connection at all, and is named without its password."""
    dials = gateway.stats()["dials"]
    async with no_socket_left(), TinyProxy(kind, mode) as proxy:
        address = proxy.url.replace("://", "://user:secret-password@")
        lost = await failure(settings(gateway.endpoint, proxy=Secret(address)))

    assert lost.cause is Cause.NETWORK
    assert "proxy" in str(lost.reason)
    assert "secret-password" not in str(lost.reason)
    assert gateway.stats()["dials"] == dials


@pytest.mark.parametrize("kind", ["socks5", "http"])
async def test_no_proxy_there(gateway: Gateway, kind: str) -> None:
    """A proxy that does not listen is a network failure that names the proxy, not its password."""
    address = f"{kind}://user:secret-password@127.0.0.1:{unused_port()}"
    async with no_socket_left():
        lost = await failure(settings(gateway.endpoint, proxy=Secret(address)))

    assert lost.cause is Cause.NETWORK
    assert "proxy" in str(lost.reason)
    assert "secret-password" not in str(lost.reason)


@pytest.mark.parametrize("login", ["", "user:wrong@"])
@pytest.mark.parametrize("kind", ["socks5", "http"])
async def test_wrong_proxy_password(gateway: Gateway, kind: Any, login: str) -> None:
    """A proxy that wants another password is a network failure."""
    async with no_socket_left(), TinyProxy(kind, login="user:right") as proxy:
        address = f"{kind}://{login}{proxy.url.rpartition('@')[2]}"
        lost = await failure(settings(gateway.endpoint, proxy=Secret(address)))

    assert lost.cause is Cause.NETWORK
    assert "wrong" not in str(lost.reason)


async def test_impossible_proxy(gateway: Gateway) -> None:
    """An address that is no proxy's is not repeated."""
    lost = await failure(settings(gateway.endpoint, proxy=Secret("ftp://user:secret-password@x")))

    assert (lost.cause, str(lost.reason)) == (Cause.NETWORK, "proxy address is not valid")


async def test_refused() -> None:
    """Nobody listens: network."""
    async with no_socket_left():
        lost = await failure(settings(f"ws://127.0.0.1:{unused_port()}/"))

    assert (lost.cause, str(lost.reason)) == (Cause.NETWORK, "Connection refused")


@pytest.mark.parametrize("host", ["does-not-exist.invalid", "a" * 70 + ".invalid"])
async def test_unknown_host(host: str) -> None:
    """A name that does not resolve: network, named as such."""
    lost = await failure(settings(f"ws://{host}/"))

    assert lost.cause is Cause.NETWORK
    assert str(lost.reason).startswith("dns: ")


async def test_impossible_endpoint() -> None:
    """An address that is no WebSocket's is a protocol error, not a crash."""
    assert (await failure(settings("http://127.0.0.1/"))).cause is Cause.PROTOCOL


async def test_never_opens(gateway: Gateway) -> None:
    """A handshake that is not answered ends at the open timeout."""
    gateway.fault(kind="half_open")
    began = time.monotonic()
    async with no_socket_left():
        lost = await failure(settings(gateway.endpoint))

    assert (lost.cause, str(lost.reason)) == (Cause.NETWORK, "not open within 0.5 s")
    assert 0.4 < time.monotonic() - began < 1.5


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (401, Cause.REFUSED),
        (403, Cause.REFUSED),
        (404, Cause.PROTOCOL),
        (429, Cause.LIMIT),
        (500, Cause.NETWORK),
        (503, Cause.NETWORK),
    ],
)
async def test_http_status(gateway: Gateway, status: int, cause: Cause) -> None:
    """A handshake that is refused by HTTP has the cause of its status."""
    gateway.fault(kind="http_status", status=status)
    async with no_socket_left():
        lost = await failure(settings(gateway.endpoint))

    assert lost.cause is cause
    assert str(status) in str(lost.reason)


async def serve_text(answer: bytes, chosen: dict[str, Any] | None = None) -> ConnectionLost:
    """Return why a dial to a server that answers just this fails."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with no_socket_left(), await asyncio.start_server(take, "127.0.0.1", 0) as server:
        return await failure(settings(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", **(chosen or {})))


async def test_redirects_are_not_followed(gateway: Gateway) -> None:
    """The token is for the endpoint alone: a redirect is refused."""
    dials = gateway.stats()["dials"]
    lost = await serve_text(b"HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n" % gateway.endpoint.encode())

    assert (lost.cause, str(lost.reason)) == (Cause.PROTOCOL, "handshake failed: HTTP 302")
    assert gateway.stats()["dials"] == dials


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"", Cause.NETWORK),
        (b"HTTP/1.1 101 Swit", Cause.NETWORK),
        (b"SSH-2.0-OpenSSH\r\n\r\n", Cause.PROTOCOL),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: tea\r\nConnection: Upgrade\r\n\r\n", Cause.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Cause.PROTOCOL),
    ],
)
async def test_no_websocket_there(answer: bytes, cause: Cause) -> None:
    """A server that hangs up is the network's fault, one that speaks something else is not."""
    assert (await serve_text(answer)).cause is cause


async def test_reset_during_the_handshake() -> None:
    """A connection that is reset while it opens is a network failure."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with no_socket_left(), await asyncio.start_server(take, "127.0.0.1", 0) as server:
        for _ in range(20):
            lost = await failure(settings(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
            assert lost.cause is Cause.NETWORK


async def test_tls() -> None:
    """TLS works with a trusted certificate, straight and through proxies, and fails closed without."""
    with Gateway("--tls") as gateway:
        trusting = ssl.create_default_context(cafile=gateway.ca_file)
        await opened(settings(gateway.endpoint), trusting)
        for kind in ("socks5", "http"):
            async with no_socket_left(), TinyProxy(kind) as proxy:
                await opened(settings(gateway.endpoint, proxy=Secret(proxy.url)), trusting)
                lost = await failure(settings(gateway.endpoint, proxy=Secret(proxy.url)))
                assert str(lost.reason).startswith("tls: certificate not trusted: ")
        lost = await failure(settings(gateway.endpoint))

    assert lost.cause is Cause.NETWORK
    assert str(lost.reason).startswith("tls: certificate not trusted: ")


@pytest.mark.parametrize("proxied", [None, "socks5", "http"])
async def test_tls_that_never_answers(proxied: Any) -> None:
    """A TLS handshake that is not answered ends at the open timeout and leaves nothing behind."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    async with no_socket_left(), await asyncio.start_server(take, "127.0.0.1", 0) as server:
        endpoint = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        if proxied is None:
            lost = await failure(settings(endpoint))
        else:
            async with TinyProxy(proxied) as proxy:
                lost = await failure(settings(endpoint, proxy=Secret(proxy.url)))

    assert lost.cause is Cause.NETWORK


async def test_plain_server_behind_a_tls_address(gateway: Gateway) -> None:
    """A server that does not speak TLS is a network failure that says so."""
    async with no_socket_left():
        lost = await failure(settings(gateway.endpoint.replace("ws:", "wss:")))

    assert lost.cause is Cause.NETWORK
    assert str(lost.reason).startswith("tls: ")


def test_foreign_texts_with_proxies_are_not_repeated() -> None:
    """What the library says about a proxy's address never comes through."""
    error = InvalidProxy("socks5://user:secret-password@x", "no")

    assert "secret" not in str(lost_by_dial(error, settings("ws://x/")))


def test_whose_close_counts() -> None:
    """The close that came first tells the cause: the server's, or ours about something that the server did."""
    theirs_first = ConnectionClosedError(Close(1000, ""), Close(1000, ""), True)
    ours_first = ConnectionClosedError(Close(1000, ""), Close(1009, "too big"), False)
    ours_alone = ConnectionClosedError(None, Close(1002, "bad"), None)
    none = ConnectionClosedError(None, None, None)

    assert lost_by_close(theirs_first).cause is Cause.CLOSED
    assert lost_by_close(ours_first).cause is Cause.PROTOCOL
    assert lost_by_close(ours_alone).cause is Cause.PROTOCOL
    assert not isinstance(lost_by_close(none), ServerClosed)
    assert str(lost_by_close(none).reason) == "no close frame: the connection broke off"
