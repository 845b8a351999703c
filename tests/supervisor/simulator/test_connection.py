"""The gateway's own side of a WebSocket: frames, ends, and what the kernel says of the other side."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from xyfleet.supervisor.simulator.connection import Connection, frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 100_000])
def test_frames_are_what_another_library_reads(size: int) -> None:
    """Each of the three forms of a length is right."""
    payload = bytes(size)
    reader = StreamReader()
    reader.feed_data(frame(0x81, payload))
    parsing = Frame.parse(reader.read_exact, mask=False)
    with pytest.raises(StopIteration) as done:
        next(parsing)

    assert done.value.value == Frame(Opcode.TEXT, payload)


class Server(asyncio.Protocol):
    """Holds the transport of the one connection that comes."""

    def __init__(self) -> None:
        self.transport: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass the transport on."""
        self.transport.set_result(cast(asyncio.Transport, transport))  # uvloop's is no subclass


@contextlib.asynccontextmanager
async def pair() -> AsyncIterator[tuple[Connection, socket.socket]]:
    """Open a TCP connection: our end as the gateway holds it, and a plain socket as its client."""
    loop = asyncio.get_running_loop()
    protocol = Server()
    server = await loop.create_server(lambda: protocol, "127.0.0.1", 0)
    client = socket.socket()
    client.setblocking(False)
    try:
        await loop.sock_connect(client, server.sockets[0].getsockname())
        yield Connection(transport=await protocol.transport, opened=0.0, sid="s"), client
    finally:
        client.close()
        (await protocol.transport).abort()
        server.close()
        await server.wait_closed()


async def received(client: socket.socket, size: int = 100) -> bytes:
    """Read once from the client's end."""
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, size), 5)


async def test_send_writes_json_in_a_text_frame() -> None:
    """One call, one frame."""
    async with pair() as (connection, client):
        connection.send({"a": "漢"})

        assert await received(client) == frame(0x81, '{"a":"漢"}'.encode())


async def test_send_on_an_ending_transport_is_nothing() -> None:
    """Who answers need not ask whether the client is still there."""
    async with pair() as (connection, client):
        connection.transport.close()
        connection.send({"a": 1})

        assert await received(client) == b""


@pytest.mark.parametrize(
    ("how", "sent"), [(1000, b"\x88\x02\x03\xe8"), (4999, b"\x88\x02\x13\x87"), (1005, b"\x88\x00")]
)
async def test_end_with_a_code_sends_a_close_frame(how: int, sent: bytes) -> None:
    """TCP stays open for the client's answer."""
    async with pair() as (connection, client):
        connection.end(how)

        assert await received(client) == sent
        assert connection.ending
        assert not connection.transport.is_closing()


async def test_end_none_is_a_tcp_end() -> None:
    """No close frame: the client reads the end of the stream."""
    async with pair() as (connection, client):
        connection.end("none")

        assert await received(client) == b""


async def test_end_reset_is_a_tcp_reset() -> None:
    """The client gets an error, not an end."""
    async with pair() as (connection, client):
        connection.end("reset")
        with pytest.raises(ConnectionResetError):
            await received(client)


async def test_peer_that_left_is_noticed_before_the_loop_hears_of_it() -> None:
    """The kernel knows at once; the loop may be busy."""
    async with pair() as (connection, client):
        assert connection.peer_present()
        client.close()
        assert not connection.peer_present()  # no turn of the loop in between


async def test_peer_that_aborted_is_noticed() -> None:
    """A reset is a leaving, too."""
    async with pair() as (connection, client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()

        assert not connection.peer_present()


async def test_stall_fills_the_client_s_buffer_and_resume_empties_it() -> None:
    """While stalled a client can't get rid of a megabyte; afterwards it can."""
    async with pair() as (connection, client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connection.stall(1)
        sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(client, bytes(1 << 20)))
        await asyncio.sleep(0.2)

        assert not sending.done()
        connection.resume()
        await asyncio.wait_for(sending, 10)
        assert connection.stalled_by is None


async def test_first_stall_holds() -> None:
    """A second one changes nothing, and resuming twice does no harm."""
    async with pair() as (connection, _client):
        connection.stall(1)
        connection.stall(2)

        assert connection.stalled_by == 1
        connection.resume()
        connection.resume()


async def test_client_that_reads_nothing_is_cut_off() -> None:
    """The gateway's memory has a bound."""
    async with pair() as (connection, _client):
        connection.send_bytes(bytes(70 << 20))
        await asyncio.sleep(0)

        assert connection.transport.is_closing()


def test_certificate_is_for_the_loopback_alone() -> None:
    """Known to everybody, so good for nothing else: no authority, 127.0.0.1 and localhost only."""
    from xyfleet.supervisor.simulator.server import CERTIFICATE

    context = ssl.create_default_context(cafile=str(CERTIFICATE))
    decoded: list[Any] = context.get_ca_certs() or [ssl._ssl._test_decode_cert(str(CERTIFICATE))]  # type: ignore[attr-defined]
    (found,) = decoded

    assert {value for _kind, value in found["subjectAltName"]} == {"127.0.0.1", "0:0:0:0:0:0:0:1", "localhost"}
    assert context.cert_store_stats()["x509_ca"] == 0
    assert ssl.cert_time_to_seconds(str(found["notAfter"])) > 4_000_000_000
