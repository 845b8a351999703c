"""Opens a socket to the gateway, and says what went wrong in our own terms. Shell.

The one border where exceptions of websockets, python-socks, ssl and the system become a `ConnectionLost`
(docs/heartbeat.md, rule 10). Addresses of proxies carry passwords, so no foreign text that repeats one passes it.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidURI,
)
from websockets.proxy import parse_proxy
from websockets.typing import Origin

from xyfleet.worker.connection.loss_causes import lost_by_dial
from xyfleet.worker.connection.open_tcp import open_tcp, open_tcp_through
from xyfleet.worker.protocol.frames import MAX_SIZE
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import WorkerSettings

ORIGIN: Final = Origin("https://www.goofish.com")
CLOSE_TIMEOUT: Final = 2.0
"""Seconds that a polite end may take."""
HANG_UP: Final = 1.0
"""Seconds from a close frame to the end of TCP; else we would be deaf until the next beat."""


class _Dial(connect):
    """
    Opens TCP and TLS in steps of our own: every address has its chance, and what TLS is carried by stays in sight.

    A redirect is an error: the token goes to the endpoint of the settings and to nobody else.
    """

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Refuse to follow."""
        return exc

    async def open_tcp_connection(self) -> ClientConnection:
        """Return a connection whose handshake is still to come."""
        loop = asyncio.get_running_loop()
        transport = await self._tcp()
        connection = self.factory(self.ws_uri)
        assert isinstance(connection, Socket)
        transport.set_protocol(connection)
        if self.ws_uri.secure:
            connection.raw = transport
            tls = self.create_connection_kwargs["ssl"]
            try:
                over = await loop.start_tls(transport, connection, tls, server_hostname=self.ws_uri.host)
            except BaseException:
                transport.abort()
                raise
            assert over is not None
            transport = over
        connection.connection_made(transport)
        return connection

    async def _tcp(self) -> asyncio.Transport:
        """Return a transport to the endpoint, through the proxy if there is one."""
        if self.proxy is None:
            return await open_tcp(self.ws_uri.host, self.ws_uri.port)
        assert isinstance(self.proxy, str)
        return await open_tcp_through(parse_proxy(self.proxy), self.ws_uri)


class Socket(ClientConnection):
    """An open connection. Made by `dial()`."""

    chunks = 0
    """How many portions of bytes have come in; grows while a long frame is still on its way."""
    raw: asyncio.WriteTransport | None = None
    """Of TLS the transport below, which holds bytes of its own."""
    _hang_up: asyncio.TimerHandle | None = None

    def unsent(self) -> int:
        """Return how many bytes the kernel has not taken yet."""
        below = 0 if self.raw is None else self.raw.get_write_buffer_size()
        return self.transport.get_write_buffer_size() + below

    def data_received(self, data: bytes) -> None:
        """Take a portion of bytes. Whoever has said that it closes, or was told so by us, has a moment to hang up."""
        self.chunks += 1
        super().data_received(data)
        over = self.protocol.close_rcvd is not None or self.protocol.parser_exc is not None
        if over and self._hang_up is None:
            self._hang_up = self.loop.call_later(HANG_UP, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Take the end of the transport.

        Behind an HTTP proxy the library names this object as the transport's protocol before TLS is up, but begins it
        (`connection_made`) after that; a TLS handshake that fails must not reach an object that never began.
        """
        if self._hang_up is not None:
            self._hang_up.cancel()
        if hasattr(self, "transport"):
            super().connection_lost(exc)


async def dial(settings: WorkerSettings, tls: ssl.SSLContext) -> Socket:
    """
    Return an open connection.

    Args:
        tls: Used for `wss:` endpoints.

    Raises:
        ConnectionLost: it could not be opened.
    """
    options: dict[str, Any] = {"ssl": tls} if settings.endpoint.startswith("wss:") else {}
    try:
        connection = await _Dial(
            settings.endpoint,
            origin=ORIGIN,
            user_agent_header=settings.user_agent,
            additional_headers={
                "Accept-Encoding": "gzip, deflate, br, zstd",
                "Accept-Language": settings.language,
                "Cache-Control": "no-cache",
                "Pragma": "no-cache",
            },
            compression=None,
            # Given in any case: by default the library takes a proxy from the environment.
            proxy=_proxy(settings.proxy),
            create_connection=Socket,
            open_timeout=settings.cycle.open_timeout,
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT,
            max_size=MAX_SIZE,
            **options,
        )
    except (OSError, InvalidHandshake, InvalidURI, InvalidProxy, ConnectionClosed, UnicodeError) as error:
        raise lost_by_dial(error, settings) from None
    assert isinstance(connection, Socket)
    return connection


def _proxy(address: Secret | None) -> str | None:
    """Return the proxy's address as the library takes it; of all kinds of SOCKS the proxy resolves the names."""
    if address is None:
        return None
    scheme, colon, rest = address.reveal().partition(":")
    return {"socks5": "socks5h", "socks4": "socks4a"}.get(scheme, scheme) + colon + rest
