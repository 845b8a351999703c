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
from xyfleet.worker.reasons import Reason, words
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
        return ConnectionLost(Cause.NETWORK, Reason("proxy_status", {"status": error.response.status_code}))
    if isinstance(error, InvalidProxy):
        return ConnectionLost(Cause.NETWORK, Reason("proxy_invalid"))
    if isinstance(error, ProxyError):
        return ConnectionLost(Cause.NETWORK, Reason("proxy_failed", {"words": str(error.__cause__ or error)}))
    if isinstance(error, ConnectionClosed) or isinstance(error.__cause__, EOFError):
        return ConnectionLost(Cause.NETWORK, Reason("closed_in_handshake"))
    if isinstance(error, InvalidHandshake):
        return ConnectionLost(Cause.PROTOCOL, Reason("no_websocket", {"words": str(error)}))
    if isinstance(error, InvalidURI):
        return ConnectionLost(Cause.PROTOCOL, Reason("endpoint_invalid"))
    return ConnectionLost(Cause.NETWORK, _network_reason(error, settings))


def _lost_by_status(status: int) -> ConnectionLost:
    if status in (401, 403):
        return ConnectionLost(Cause.REFUSED, Reason("handshake_refused", {"status": status}))
    if status == 429:
        return ConnectionLost(Cause.LIMIT, Reason("too_many_connections", {"status": status}))
    reason = Reason("handshake_failed", {"status": status})
    return ConnectionLost(Cause.NETWORK if status >= 500 else Cause.PROTOCOL, reason)


def _network_reason(error: Exception, settings: WorkerSettings) -> Reason:
    if isinstance(error, TimeoutError):
        reason = Reason("not_open", {"seconds": settings.cycle.open_timeout})
    elif isinstance(error, socket.gaierror):
        reason = Reason("dns", {"words": str(error.strerror)})
    elif isinstance(error, UnicodeError):
        reason = Reason("dns_name_invalid")
    elif isinstance(error, ssl.SSLCertVerificationError):
        return Reason("tls_untrusted", {"words": error.verify_message})
    elif isinstance(error, ssl.SSLError):
        return Reason("tls", {"words": str(error.reason or error)})
    else:
        # Who tries several addresses writes each one's fate into the text.
        number = error.errno if isinstance(error, OSError) else None
        reason = words(os.strerror(number) if number and number > 0 else str(error) or type(error).__name__)
    return Reason("via_proxy", {"of": reason}) if settings.proxy is not None else reason


def lost_by_close(error: ConnectionClosed) -> ConnectionLost:
    """Return what the end of an open connection means."""
    ours_first = error.rcvd is None or error.rcvd_then_sent is False
    if ours_first and error.sent is not None:
        cause = Cause.PROTOCOL if error.sent.code in _PROTOCOL_CODES else Cause.CLOSED
        return ConnectionLost(cause, _closed(int(error.sent.code), error.sent.reason, "we_closed"))
    close = error.rcvd
    if close is None:
        why = getattr(error.__cause__, "strerror", None)
        broken = Reason("broken_off", {"words": why}) if why else Reason("broken_off_silently")
        return ConnectionLost(Cause.CLOSED, broken)
    reason = _closed(int(close.code), close.reason)
    if close.code in _PROTOCOL_CODES:
        return ServerClosed(Cause.PROTOCOL, reason)
    return ServerClosed(Cause.REFUSED if close.code == _REFUSED_CODE else Cause.CLOSED, reason)


def _closed(status: int, words: str, code: str = "closed") -> Reason:
    """Return the reason `code`, or `<code>_saying` where the close frame has words."""
    return Reason(f"{code}_saying", {"status": status, "words": words}) if words else Reason(code, {"status": status})
