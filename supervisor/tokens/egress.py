"""One way out to the network: the machine's own address or a proxy. It never falls back to another. Shell."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import aiohttp_socks
import python_socks
from python_socks.async_.asyncio.v2 import Proxy

from xyfleet.worker.connection.addresses import addresses_of, first_to_answer
from xyfleet.worker.connection.client_tls import client_tls
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.secret import Secret, Spelled, masked, proxy_secrets
from xyfleet.worker.text import cut

_PORTS: Final = {"ws": 80, "http": 80, "wss": 443, "https": 443}
_SECURE: Final = frozenset({"wss", "https"})

ANSWERS_WITHIN: Final = 10.0
"""Seconds for one of a proxy's addresses to answer."""
SENT: Final = "sent"
FAILURES: Final = (
    aiohttp.ClientError,
    aiohttp_socks.ProxyConnectionError,
    aiohttp_socks.ProxyError,
    aiohttp_socks.ProxyTimeoutError,
    python_socks.ProxyConnectionError,
    python_socks.ProxyError,
    python_socks.ProxyTimeoutError,
    OSError,
    EOFError,
    ValueError,
)
"""What can go wrong with the network or a proxy; python-socks and asyncio raise all of these. (Timeouts: `OSError`.)"""


def tls_context(ca_file: str | Path | None) -> ssl.SSLContext:
    """Return a context that trusts `ca_file` alone when there is one, else what the system trusts. About 25 ms."""
    return client_tls(None if ca_file is None else str(ca_file))


class Unreachable(Exception):
    """No connection; the reason is short, and free of addresses with passwords."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(str(reason))


def describe(error: BaseException, proxy: Secret | None = None) -> Reason:
    """Return a short reason for one of `FAILURES`, without URLs, headers, bodies or the proxy's password."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return describe(error.certificate_error, proxy)
        case ssl.SSLCertVerificationError():
            return Reason("cert_untrusted", {"words": error.verify_message})
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return Reason("name_unresolved")
        case aiohttp.ClientConnectorError():
            return describe(error.os_error, proxy)
        case aiohttp_socks.ProxyConnectionError() | python_socks.ProxyConnectionError():
            return _quoting("proxy_unreachable", _cause(error), proxy)
        case aiohttp_socks.ProxyTimeoutError() | python_socks.ProxyTimeoutError():
            return Reason("proxy_timeout")
        case aiohttp_socks.ProxyError() | python_socks.ProxyError():
            # The proxy's own words: any bytes, of any length.
            return _quoting("proxy_refused", str(error), proxy, plain=True)
        case TimeoutError():
            return Reason("timeout")
        case ssl.SSLError():
            return Reason("tls_failed", {"words": error.reason}) if error.reason else Reason("tls_failed_silently")
        case aiohttp.ServerDisconnectedError() | EOFError():
            return Reason("no_answer")
        case OSError():
            return words((error.strerror or type(error).__name__).lower())
        case ValueError():
            return Reason("address_unusable")
    return Reason("connection_failed", {"words": type(error).__name__})


def _quoting(code: str, said: str, proxy: Secret | None, *, plain: bool = False) -> Reason:
    """Return a reason with a proxy's words, without what it was told: masked first, and cut then."""
    secrets = {secret.reveal() for secret in proxy_secrets(proxy) if secret}
    clean = cut(masked(said, *map(Spelled, sorted(secrets, key=len, reverse=True))))
    return Reason(code, {"words": clean.encode("ascii", "replace").decode() if plain else clean})


def _cause(error: BaseException) -> str:
    """Return the system's word inside a chain of wrapped errors."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (getattr(error, "strerror", None) or type(error).__name__).lower()


class Egress:
    """The HTTP session of one way out. It lives while somebody uses it."""

    def __init__(self, proxy: Secret | None, tls: ssl.SSLContext) -> None:
        self._proxy = proxy
        self._tls = tls
        self._users = 0
        self._opening = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    @property
    def used(self) -> bool:
        """Whether somebody uses it now."""
        return self._users > 0

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Lend the session, shared by all who use this egress at the same time. Raises `Unreachable`.

        A request with a dict as its `trace_request_ctx` finds `SENT` in it once it was sent.
        """
        async with self._opening:
            if self._session is None:
                self._session = await self._open()
        self._users += 1
        session = self._session
        try:
            yield session
        finally:
            self._users -= 1
            if not self._users:
                self._session = None
                await session.close()

    async def _open(self) -> aiohttp.ClientSession:
        connector: aiohttp.TCPConnector
        if self._proxy is None:
            connector = aiohttp.TCPConnector(ssl=self._tls)
        else:
            parts = await _answering(self._proxy)
            connector = aiohttp_socks.ProxyConnector(**parts, ssl=self._tls)
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_mark_sent)
        # Many accounts share the session, so it must not know any cookie; nor may the environment name a proxy.
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, trace_configs=[trace]
        )


async def _mark_sent(_: aiohttp.ClientSession, context: Any, __: aiohttp.TraceRequestHeadersSentParams) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx[SENT] = True


async def probe(url: str, proxy: Secret | None, tls: ssl.SSLContext, timeout: float) -> None:
    """Open a TCP (and for wss and https a TLS) connection to a URL's host and close it. Raises `Unreachable`."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    context = tls if parts.scheme in _SECURE else None
    try:
        async with asyncio.timeout(timeout):
            if proxy is None:
                _, writer = await asyncio.open_connection(host, port, ssl=context)
            else:
                stream = await Proxy(**await _answering(proxy)).connect(host, port, dest_ssl=context, timeout=timeout)
                writer = stream.writer
    except FAILURES as error:
        raise Unreachable(describe(error, proxy)) from None
    writer.transport.abort()


async def _answering(proxy: Secret) -> dict[str, Any]:
    """Return a proxy as python-socks takes it; of a name with several addresses the first that answers is taken."""
    parts = _parts(proxy)
    try:
        async with asyncio.timeout(ANSWERS_WITHIN):
            addresses = await addresses_of(parts["host"], parts["port"])
            if len(addresses) == 1:
                return parts
            with await first_to_answer(addresses) as found:
                return parts | {"host": found.getpeername()[0]}
    except FAILURES as error:
        raise Unreachable(describe(error, proxy)) from None


def _parts(proxy: Secret) -> dict[str, Any]:
    """Return a proxy's URL as python-socks takes it. `socks5` and `socks5h` are one: the proxy resolves the names."""
    url = proxy.reveal()
    try:
        kind, host, port, username, password = python_socks.parse_proxy_url(
            "socks5" + url.removeprefix("socks5h") if url.startswith("socks5h:") else url
        )
    except ValueError:
        raise Unreachable(Reason("proxy_unusable")) from None
    return {"proxy_type": kind, "host": host, "port": port, "username": username, "password": password}
