"""Tests of `xyfleet.supervisor.tokens.egress`."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

import xyfleet.supervisor.simulator as simulator
from support.proxies import TinyProxy
from support.tokenserver import Answer, TokenServer
from xyfleet.supervisor.tokens.egress import FAILURES, SENT, Egress, Unreachable, describe, probe, tls_context
from xyfleet.worker.secret import Secret

PEM = Path(simulator.__path__[0])
CERT, KEY = PEM / "loopback-test-cert.pem", PEM / "loopback-test-key.pem"
SYSTEM = tls_context(None)


@pytest.fixture
async def server() -> AsyncIterator[TokenServer]:
    """A plain server."""
    async with TokenServer() as running:
        yield running


@pytest.fixture
async def tls_server() -> AsyncIterator[TokenServer]:
    """A TLS server with a certificate of our own."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERT, KEY)
    async with TokenServer(context) as running:
        yield running


def egress(proxy: str | None = None, tls: ssl.SSLContext = SYSTEM) -> Egress:
    """Return an egress without a pace."""
    return Egress(None if proxy is None else Secret(proxy), tls)


async def post(
    way: Egress, url: str, timeout: float = 2.0, mark: dict[str, bool] | None = None, connect: float | None = None
) -> int:
    """Make a call and return the status of its answer, read to its end."""
    form, query = {"data": "x"}, {"t": "1", "sign": "x"}
    limits = aiohttp.ClientTimeout(timeout, sock_connect=connect)
    async with (
        way.session() as session,
        session.post(url, data=form, params=query, timeout=limits, trace_request_ctx=mark) as answer,
    ):
        await answer.read()
        return answer.status


async def failure(url: str, way: Egress, timeout: float = 2.0) -> Exception:
    """Return the error of a call that must fail without having been sent."""
    mark: dict[str, bool] = {}
    with pytest.raises(FAILURES) as caught:
        await post(way, url, timeout, mark)
    assert SENT not in mark
    return caught.value


def closed_port() -> int:
    """Return a port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


async def test_users_share_one_session_while_they_last(server: TokenServer) -> None:
    """The session is opened for the first user and closed after the last."""
    way = egress()
    async with way.session() as first, way.session() as second:
        assert first is second
        assert await post(way, server.url) == 200
        assert not first.closed
    assert first.closed
    async with way.session() as third:
        assert third is not first


async def test_a_sent_request_is_marked(server: TokenServer) -> None:
    """Whether a request was sent is known, whatever became of it."""
    mark: dict[str, bool] = {}
    server.say(Answer(delay=5))
    with pytest.raises(TimeoutError):
        await post(egress(), server.url, 0.1, mark)

    assert mark == {SENT: True}


async def test_the_environment_names_no_proxy(server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """http_proxy of the environment is not used: an account without a proxy goes out directly."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")

    assert await post(egress(), server.url) == 200


async def test_the_session_knows_no_cookies(server: TokenServer) -> None:
    """A Set-Cookie for one account never shows in another's call."""
    way = egress()
    server.say(Answer(set_cookie=["a=1"]))
    async with way.session():
        assert [await post(way, server.url), await post(way, server.url)] == [200, 200]

    assert [call.cookie for call in server.calls] == [{}, {}]


@pytest.mark.parametrize("kind", ["socks5", "http"])
@pytest.mark.parametrize("login", [None, "li:pa%40ss"])
async def test_a_proxy_is_used(server: TokenServer, kind: str, login: str | None) -> None:
    """A call goes through the proxy, with its password when it has one."""
    async with TinyProxy(kind, login=None if login is None else "li:pa@ss") as proxy:  # type: ignore[arg-type]
        assert await post(egress(proxy.url.replace("li:pa@ss", login or "")), server.url) == 200

    assert proxy.asked == [("127.0.0.1", URL(server.url).port)]


async def test_names_are_resolved_by_the_proxy() -> None:
    """The host's name goes to the proxy as it is, for socks5 as for socks5h: no look-up shows who talks to whom."""
    async with TinyProxy("socks5", "refuse") as proxy:
        for url in (proxy.url, proxy.url.replace("socks5", "socks5h")):
            await failure("http://no-such-host.invalid/", egress(url))

    assert proxy.asked == [("no-such-host.invalid", 80)] * 2


@pytest.mark.parametrize(
    ("kind", "mode", "reason"),
    [
        ("socks5", "refuse", "proxy refused: Connection refused by destination host"),
        ("http", "refuse", "proxy refused: 403 Forbidden"),
        ("socks5", "garbage", "proxy refused: Unexpected SOCKS version number: 255"),
        ("http", "garbage", "proxy refused: Invalid status line:"),
        ("socks5", "hang up", "connection closed without an answer"),
        ("http", "hang up", "proxy refused: "),
        ("socks5", "reset", "connection reset by peer"),
        ("socks5", "mute", "timed out"),
    ],
)
async def test_a_bad_proxy_is_named_and_not_left_aside(server: TokenServer, kind: str, mode: str, reason: str) -> None:
    """A proxy that does not do its work fails the call, with the reason; the server is never asked directly."""
    async with TinyProxy(kind, mode) as proxy:  # type: ignore[arg-type]
        error = await failure(server.url, egress(proxy.url), 0.3)

    assert str(describe(error)).startswith(reason)
    assert server.calls == []


async def test_a_mute_proxy_is_told_from_a_mute_server(server: TokenServer) -> None:
    """When the time for connecting is over and not the whole, it is the proxy."""
    async with TinyProxy("http", "mute") as proxy:
        with pytest.raises(FAILURES) as caught:
            await post(egress(proxy.url), server.url, 5, connect=0.1)

    assert str(describe(caught.value)) == "proxy timed out"


async def test_an_answer_that_breaks_off_is_named() -> None:
    """An answer shorter than it said is a failure with the library's name for it."""

    async def cut_short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
        writer.close()

    mark: dict[str, bool] = {}
    async with await asyncio.start_server(cut_short, "127.0.0.1", 0) as listener:
        with pytest.raises(FAILURES) as caught:
            await post(egress(), f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/", mark=mark)

    assert str(describe(caught.value)) in ("connection failed: ClientPayloadError", "connection reset by peer")
    assert mark == {SENT: True}


async def test_a_wrong_proxy_password_is_named_and_not_shown(server: TokenServer) -> None:
    """The reason says that the proxy refused, without its password."""
    for kind in ("socks5", "http"):
        async with TinyProxy(kind, login="li:secret") as proxy:  # type: ignore[arg-type]
            error = await failure(server.url, egress(proxy.url.replace("secret", "wrong")))
            assert str(describe(error)).startswith("proxy refused: ")
            assert "wrong" not in str(describe(error))


async def test_failures_are_named(tls_server: TokenServer, server: TokenServer) -> None:
    """Nobody there, no such host, an untrusted certificate, no TLS: each has its words, and none reached the server."""
    port = closed_port()
    cases = {
        f"http://127.0.0.1:{port}/": (None, "connect call failed|connection refused"),
        "http://no-such-host.invalid/": (None, "host name can't be resolved"),
        tls_server.url: (None, "TLS certificate not trusted: self.signed certificate"),
        server.url.replace("http:", "https:"): (None, "TLS failed: "),
        f"http://127.0.0.1:{port}/x": (f"socks5://127.0.0.1:{port}", "proxy can't be reached: .*refused"),
    }
    for url, (proxy, reason) in cases.items():
        error = await failure(url, egress(proxy), 5)
        assert re.match(reason, str(describe(error))), (url, error)
    assert tls_server.calls == server.calls == []


async def test_a_ca_file_is_trusted(tls_server: TokenServer) -> None:
    """With `ca_file` its certificate is trusted."""
    assert await post(egress(tls=tls_context(CERT)), tls_server.url) == 200


async def test_an_impossible_login_is_named(server: TokenServer) -> None:
    """A proxy login that its protocol has no way to say fails the call like anything else."""
    async with TinyProxy("http") as proxy:
        error = await failure(server.url, egress(proxy.url.replace("//", "//a%3Ab:c@")))

    assert str(describe(error)) == "address can't be used"


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1:1", "socks5://127.0.0.1", "http://127.0.0.1:99999"])
async def test_an_impossible_proxy_is_refused(server: TokenServer, url: str) -> None:
    """A proxy address that can't be used never means going out without one."""
    with pytest.raises(Unreachable, match="proxy address can't be used"):
        async with egress(url).session():
            pass
    with pytest.raises(Unreachable, match="proxy address can't be used"):
        await probe(server.url, Secret(url), SYSTEM, 1)


async def test_a_probe_only_connects(server: TokenServer, tls_server: TokenServer) -> None:
    """TCP for ws and http, TLS for wss and https, through a proxy too; nothing is asked."""
    trusting = tls_context(CERT)
    async with TinyProxy("socks5") as proxy:
        for way in (None, Secret(proxy.url)):
            await probe(server.url.replace("http:", "ws:"), way, SYSTEM, 2)
            await probe(tls_server.url.replace("https:", "wss:"), way, trusting, 2)
        with pytest.raises(Unreachable, match="certificate not trusted"):
            await probe(tls_server.url, Secret(proxy.url), SYSTEM, 2)
    with pytest.raises(Unreachable, match="certificate not trusted"):
        await probe(tls_server.url, None, SYSTEM, 2)
    await asyncio.sleep(0.05)
    assert len(proxy.asked) == 3
    assert server.calls == tls_server.calls == []


async def test_a_probe_ends_in_time() -> None:
    """Nobody there, a mute proxy, a mute server: a probe fails with the reason, not later than its timeout."""
    with pytest.raises(Unreachable, match="refused"):
        await probe(f"ws://127.0.0.1:{closed_port()}/", None, SYSTEM, 2)
    async with TinyProxy("http", "mute") as mute:
        with pytest.raises(Unreachable, match="timed out"):
            await probe("wss://127.0.0.1:1/", Secret(mute.url), SYSTEM, 0.1)
        with pytest.raises(Unreachable, match="timed out"):
            await probe(mute.url.replace("http:", "wss:"), None, SYSTEM, 0.1)
