"""A name with several addresses, and addresses that are dead."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import uvloop

NAME = "shop.test"


class _Names:
    """A loop that knows one name, with the addresses that it was given."""

    def __init__(self, *addresses: str) -> None:
        super().__init__()
        self.addresses = addresses

    async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> list[Any]:
        """Return the addresses, in their order."""
        if host != NAME:
            found: list[Any] = await super().getaddrinfo(host, port, **more)  # type: ignore[misc]
            return found
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.addresses]


class Resolving(_Names, uvloop.Loop):  # type: ignore[misc]
    """As workers have it."""


class PlainResolving(_Names, asyncio.SelectorEventLoop):
    """As Python has it."""


@contextmanager
def black_hole(address: str, port: int) -> Iterator[None]:
    """Have an address take no connection and refuse none: its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex((address, port))
        yield
