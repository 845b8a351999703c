"""Names with several addresses, of which some are dead."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.gateway import Gateway
from support.names import NAME, Resolving, black_hole
from support.proxies import TinyProxy
from support.station import FAST, TLS, settings_for
from xyfleet.worker.causes import Cause, ConnectionLost
from xyfleet.worker.connection.connect import Socket, dial
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import WorkerSettings


def settings(port: int, proxy: Secret | None = None) -> WorkerSettings:
    """Return settings for an endpoint of that name, or for a proxy of it."""
    host, cycle = "127.0.0.1" if proxy else NAME, msgspec.structs.replace(FAST, open_timeout=3.0)
    return settings_for(f"ws://{host}:{port}/", Path("unused"), cycle, proxy=proxy)


def peer_of(loop: Resolving, port: int) -> str:
    """Dial, and return the address of the other end."""

    async def once() -> str:
        connection = await dial(settings(port), TLS)
        try:
            assert isinstance(connection, Socket)
            return str(connection.remote_address[0])
        finally:
            await connection.close()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(once())


@pytest.mark.parametrize("dead", [1, 3])
def test_a_dead_address_costs_a_moment(gateway: Gateway, dead: int) -> None:
    """An address that swallows everything is passed over after a quarter of a second, and so is the next one (H5)."""
    holes = [f"127.0.0.{number}" for number in range(2, 2 + dead)]
    with ExitStack() as stack:
        for hole in holes:
            stack.enter_context(black_hole(hole, gateway.port))

        assert peer_of(Resolving(*holes, "127.0.0.1"), gateway.port) == "127.0.0.1"


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_a_dead_address_of_a_proxy_costs_a_moment(gateway: Gateway, kind: Any) -> None:
    """So is a dead address of a proxy's name, whatever the proxy speaks (H5)."""

    async def once() -> list[tuple[str, int]]:
        async with TinyProxy(kind) as proxy:
            port = int(proxy.url.rpartition(":")[2])
            with black_hole("127.0.0.2", port):
                secret = Secret(proxy.url.replace("127.0.0.1", NAME))
                connection = await dial(settings(gateway.port, secret), TLS)
                await connection.close()
            return proxy.asked

    with asyncio.Runner(loop_factory=lambda: Resolving("127.0.0.2", "127.0.0.1")) as runner:
        assert runner.run(once()) == [("127.0.0.1", gateway.port)]


def test_a_refusing_address_costs_nothing(gateway: Gateway) -> None:
    """The next one is tried at once."""
    assert peer_of(Resolving("127.0.0.9", "127.0.0.1"), gateway.port) == "127.0.0.1"


def test_all_addresses_refuse() -> None:
    """The reason is that of the addresses, in words without them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionLost) as caught:
        peer_of(Resolving("127.0.0.1", "127.0.0.2"), port)

    assert (caught.value.cause, str(caught.value.reason)) == (Cause.NETWORK, "Connection refused")
