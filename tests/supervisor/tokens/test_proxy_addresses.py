"""A proxy whose name has several addresses, of which one is dead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from support.names import NAME, PlainResolving, black_hole
from support.proxies import TinyProxy
from support.tokenserver import TokenServer
from xyfleet.supervisor.tokens.egress import Egress, Unreachable, probe, tls_context
from xyfleet.worker.secret import Secret

TLS = tls_context(None)


def through_a_name(kind: Any, do: Callable[[Secret, TokenServer], Awaitable[None]], *addresses: str) -> TinyProxy:
    """Do something through a proxy of which the first address is dead; return the proxy."""

    async def once() -> TinyProxy:
        async with TokenServer() as server, TinyProxy(kind) as proxy:
            with black_hole("127.0.0.2", int(proxy.url.rpartition(":")[2])):
                await do(Secret(proxy.url.replace("127.0.0.1", NAME)), server)
            return proxy

    with asyncio.Runner(loop_factory=lambda: PlainResolving(*addresses)) as runner:
        return runner.run(once())


async def call(proxy: Secret, server: TokenServer) -> None:
    """Make a token call."""
    limits = aiohttp.ClientTimeout(3.0)
    async with Egress(proxy, TLS).session() as session, session.post(server.url, timeout=limits) as answer:
        await answer.read()


async def look(proxy: Secret, server: TokenServer) -> None:
    """Only connect."""
    await probe(server.url, proxy, TLS, 3.0)


@pytest.mark.parametrize("kind", ["http", "socks5"])
@pytest.mark.parametrize("do", [call, look])
def test_a_dead_address_of_a_proxy_costs_a_moment(kind: Any, do: Any) -> None:
    """Its other address is tried a quarter of a second later, by token calls as by sockets (H5's kind)."""
    proxy = through_a_name(kind, do, "127.0.0.2", "127.0.0.1")
    assert len(proxy.asked) == 1


def test_no_address_answers() -> None:
    """The proxy is unreachable, as one with a single address that refuses is."""
    with pytest.raises(Unreachable, match="refused"):
        through_a_name("http", call, "127.0.0.8", "127.0.0.9")
