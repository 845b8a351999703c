"""Why an attempt failed or a connection ended, and what follows from it. Pure.

Source: rule 10 of docs/heartbeat.md. A cause is a value; nothing decides by the words of a message.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from xyfleet.worker.reasons import Reason
from xyfleet.worker.settings import RetryClass


class Cause(StrEnum):
    """The reason's class. What exactly is in the report's `reason`."""

    CLOSED = "closed"
    RIVAL = "rival"
    HEARTBEAT = "heartbeat"
    NETWORK = "network"
    PROTOCOL = "protocol"
    LIMIT = "limit"
    AUTH = "auth"
    REFUSED = "refused"
    REMOVED = "removed"
    RISK = "risk"
    PLATFORM = "platform"
    """The platform was reached and answered with an HTTP error, or words that are not known here or ask for less."""
    BUG = "bug"
    STORAGE = "storage"
    """The server ended a connection on which nothing was acked, for nothing could be stored."""


FATAL: Final = frozenset({Cause.RIVAL, Cause.AUTH, Cause.REMOVED, Cause.RISK})
"""Causes that no further dial can help: FAILED at once."""

UNACKED: Final = frozenset({Cause.CLOSED, Cause.HEARTBEAT, Cause.NETWORK})
"""Causes with which a server may end a connection that acks nothing."""

RETRY_CLASS: Final[dict[Cause, RetryClass]] = {
    Cause.CLOSED: "closed",
    Cause.RIVAL: "closed",
    Cause.HEARTBEAT: "closed",
    Cause.NETWORK: "network",
    Cause.LIMIT: "network",
    Cause.PROTOCOL: "other",
    Cause.AUTH: "other",
    Cause.REFUSED: "other",
    Cause.REMOVED: "other",
    Cause.RISK: "other",
    Cause.PLATFORM: "network",
    Cause.BUG: "other",
    Cause.STORAGE: "network",
}
"""Which delay rule applies. The fatal ones have a class too, for the attempt after somebody revived them."""


class ConnectionLost(Exception):
    """An attempt failed, or a connection ended, for this cause."""

    def __init__(self, cause: Cause, reason: Reason) -> None:
        self.cause = cause
        self.reason = reason
        super().__init__(cause, reason)

    def __str__(self) -> str:
        return f"{self.cause.value}: {self.reason}"
