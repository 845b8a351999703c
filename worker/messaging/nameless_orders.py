"""Which paid notices name no order and are followed by none that does: the list of orders is asked for them. Pure.

Most often the order's card comes beside such a notice. Now and then its words say "not paid yet", or it comes in a
shape that nobody knows: then the notice is all that tells of the order until the next list.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xyfleet.worker.protocol.message import Message

MOST: Final = 1000
"""Notices that wait at one time; one list is asked for all."""


class NamelessOrders:
    """Those of one account, by conversation. Times are any clock's seconds."""

    def __init__(self) -> None:
        self._waiting: dict[str, float] = {}
        """When each began to wait for a message that names the order."""
        self._named: dict[str, float] = {}
        """When such a message last came."""

    def hear(self, messages: Iterable[Message], now: float, patience: float) -> None:
        """Hear of new messages; `patience`: how many seconds a notice and the order's card are apart at most."""
        self._named = {talk: at for talk, at in self._named.items() if now - at < patience}
        for message in messages:
            talk = message.conversation
            if message.order_status != "paid" or message.role == "buyer" or talk is None:
                continue
            if message.order is not None:
                self._named[talk] = now
                self._waiting.pop(talk, None)
            elif talk not in self._named and len(self._waiting) < MOST:
                self._waiting.setdefault(talk, now)

    def due(self, patience: float) -> float | None:
        """Return when the list is to be asked for, None = nothing waits."""
        return min(self._waiting.values()) + patience if self._waiting else None

    def asked(self) -> None:
        """The list is about to be asked for."""
        self._waiting.clear()
