"""Opens a socket to the gateway, and says what went wrong in our own terms. Shell.

The one border where exceptions of websockets, python-socks, ssl and the system become a `ConnectionLost`
(docs/heartbeat.md, rule 10). Addresses of proxies carry passwords, so no foreign text that repeats one passes it.
"""

from __future__ import annotations

import ssl
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidURI,
)
from websockets.typing import Origin

from xyfleet.worker.connection.loss_causes import lost_by_dial
from xyfleet.worker.protocol.frames import MAX_SIZE
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import WorkerSettings

ORIGIN: Final = Origin("https://www.goofish.com")
CLOSE_TIMEOUT: Final = 2.0
"""Seconds that a polite end may take."""


class _Dial(connect):
    """A redirect is an error: the token goes to the endpoint of the settings and to nobody else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Refuse to follow."""
        return exc


class Socket(ClientConnection):
    """An open connection. Made by `dial()`."""

    chunks = 0
    """How many portions of bytes have come in; grows while a long frame is still on its way."""

    def data_received(self, data: bytes) -> None:
        """Take a portion of bytes."""
        self.chunks += 1
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Take the end of the transport.

        Behind an HTTP proxy the library names this object as the transport's protocol before TLS is up, but begins it
        (`connection_made`) after that; a TLS handshake that fails must not reach an object that never began.
        """
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
