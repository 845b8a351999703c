"""What an error while dialling and the end of a connection mean: a cause, in words of our own. Pure.

What they quote is whole: who shows it masks it first and cuts it then (`AccountLog.clean`).
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import Final

from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)

from xyfleet.worker.causes import Cause, ConnectionLost
from xyfleet.worker.settings import WorkerSettings

_PROTOCOL_CODES: Final = frozenset({1002, 1003, 1007, 1009, 1011})
_REFUSED_CODE: Final = 1008


class ServerClosed(ConnectionLost):
    """A connection that ended with the server's close frame."""


def lost_by_dial(error: Exception, settings: WorkerSettings) -> ConnectionLost:
    """Return what an error while opening means."""
    if isinstance(error, InvalidStatus):
        return _lost_by_status(error.response.status_code)
    if isinstance(error, InvalidProxyStatus):
        return ConnectionLost(Cause.NETWORK, f"proxy refused: HTTP {error.response.status_code}")
    if isinstance(error, InvalidProxy):
        return ConnectionLost(Cause.NETWORK, "proxy address is not valid")
    if isinstance(error, ProxyError):
        return ConnectionLost(Cause.NETWORK, f"proxy failed: {error.__cause__ or error}")
    if isinstance(error, ConnectionClosed) or isinstance(error.__cause__, EOFError):
        return ConnectionLost(Cause.NETWORK, "closed during the handshake")
    if isinstance(error, InvalidHandshake):
        return ConnectionLost(Cause.PROTOCOL, f"not a websocket: {error}")
    if isinstance(error, InvalidURI):
        return ConnectionLost(Cause.PROTOCOL, "endpoint is not a valid address")
    return ConnectionLost(Cause.NETWORK, _network_words(error, settings))


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
        # Who tries several addresses writes each one's fate into the text.
        number = error.errno if isinstance(error, OSError) else None
        words = os.strerror(number) if number and number > 0 else str(error) or type(error).__name__
    return f"via proxy: {words}" if settings.proxy is not None else words


def lost_by_close(error: ConnectionClosed) -> ConnectionLost:
    """Return what the end of an open connection means."""
    ours_first = error.rcvd is None or error.rcvd_then_sent is False
    if ours_first and error.sent is not None:
        cause = Cause.PROTOCOL if error.sent.code in _PROTOCOL_CODES else Cause.CLOSED
        return ConnectionLost(cause, f"we closed with {error.sent.code} {error.sent.reason}".strip())
    close = error.rcvd
    if close is None:
        words = getattr(error.__cause__, "strerror", None) or "the connection broke off"
        return ConnectionLost(Cause.CLOSED, f"no close frame: {words}")
    reason = f"closed with {close.code} {close.reason}".strip()
    if close.code in _PROTOCOL_CODES:
        return ServerClosed(Cause.PROTOCOL, reason)
    return ServerClosed(Cause.REFUSED if close.code == _REFUSED_CODE else Cause.CLOSED, reason)
