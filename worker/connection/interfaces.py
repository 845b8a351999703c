"""What one connection offers to those above it, and what it asks of them. Pure (faces)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from xyfleet.worker.protocol.frames import Push, Response


class RpcChannel(Protocol):
    """A registered connection, to whoever makes calls on it."""

    began: int
    """When it was registered, in milliseconds since the epoch, by the server's clock."""

    async def ask(self, lwp: str, body: object) -> Response:
        """Return the answer to a call, whatever its code. Raises `rpc.NoAnswer` or `rpc.ChannelClosed`."""


class SessionListener(Protocol):
    """Who wants to know how a session is."""

    def registered(self, line: RpcChannel) -> None:
        """The connection is registered: CONNECTED."""

    def pushed(self, push: Push, ack: Callable[[], None]) -> None:
        """Something was pushed; `ack` is to be called once it can't be lost any more."""

    def odd_frame(self, raw: bytes) -> None:
        """A frame came that is neither a push nor a response."""

    def beat_answered(self) -> None:
        """An answer to a beat was matched."""

    def news(self) -> None:
        """Some figure changed; it can wait."""
