"""Opens a socket to the gateway, and says what went wrong in our own terms. Shell.

The one border where exceptions of websockets, python-socks, ssl and the system become a `ConnectionLost`
(docs/heartbeat.md, rule 10). Addresses of proxies carry passwords, so no foreign text that repeats one passes it.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)
from websockets.typing import Origin

from xyfleet.worker.causes import Cause, ConnectionLost
from xyfleet.worker.protocol.frames import MAX_SIZE
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import WorkerSettings
from xyfleet.worker.text import cut

ORIGIN: Final = Origin("https://www.goofish.com")
CLOSE_TIMEOUT: Final = 2.0
"""Seconds that a polite end may take."""

_PROTOCOL_CODES: Final = frozenset({1002, 1003, 1007, 1009, 1011})
_REFUSED_CODE: Final = 1008


class ServerClosed(ConnectionLost):
    """A connection that ended with a close frame."""


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


def lost_by_dial(error: Exception, settings: WorkerSettings) -> ConnectionLost:
    """Return what an error while opening means."""
    if isinstance(error, InvalidStatus):
        return _lost_by_status(error.response.status_code)
    if isinstance(error, InvalidProxyStatus):
        return ConnectionLost(Cause.NETWORK, f"proxy refused: HTTP {error.response.status_code}")
    if isinstance(error, InvalidProxy):
        return ConnectionLost(Cause.NETWORK, "proxy address is not valid")
    if isinstance(error, ProxyError):
        return ConnectionLost(Cause.NETWORK, cut(f"proxy failed: {error.__cause__ or error}"))
    if isinstance(error, ConnectionClosed) or isinstance(error.__cause__, EOFError):
        return ConnectionLost(Cause.NETWORK, "closed during the handshake")
    if isinstance(error, InvalidHandshake):
        return ConnectionLost(Cause.PROTOCOL, cut(f"not a websocket: {error}"))
    if isinstance(error, InvalidURI):
        return ConnectionLost(Cause.PROTOCOL, "endpoint is not a valid address")
    return ConnectionLost(Cause.NETWORK, cut(_network_words(error, settings)))


def _lost_by_status(status: int) -> ConnectionLost:
    if status in (401, 403):
        return ConnectionLost(Cause.REFUSED, f"handshake refused: HTTP {status}")
    if status == 429:
        return ConnectionLost(Cause.LIMIT, f"too many connections: HTTP {status}")
    return ConnectionLost(Cause.NETWORK if status >= 500 else Cause.PROTOCOL, f"handshake failed: HTTP {status}")


def _network_words(error: Exception, settings: WorkerSettings) -> str:
    if isinstance(error, TimeoutError):
        words = f"not open within {settings.cycle.open_timeout:g} s"
    elif isinstance(error, socket.gaierror):
        words = f"dns: {error.strerror}"
    elif isinstance(error, UnicodeError):
        words = "dns: not a valid host name"
    elif isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: certificate not trusted: {error.verify_message}"
    elif isinstance(error, ssl.SSLError):
        return f"tls: {error.reason or error}"
    else:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"via proxy: {words}" if settings.proxy is not None else words


def lost_by_close(error: ConnectionClosed) -> ConnectionLost:
    """Return what the end of an open connection means."""
    ours_first = error.rcvd is None or error.rcvd_then_sent is False
    close = error.sent if ours_first else error.rcvd
    if close is None:
        words = getattr(error.__cause__, "strerror", None) or "the connection broke off"
        return ConnectionLost(Cause.CLOSED, f"no close frame: {words}")
    reason = cut(f"closed with {close.code} {close.reason}".strip())
    if close.code in _PROTOCOL_CODES:
        return ServerClosed(Cause.PROTOCOL, reason)
    return ServerClosed(Cause.REFUSED if close.code == _REFUSED_CODE else Cause.CLOSED, reason)
