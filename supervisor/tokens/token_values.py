"""Whose token is asked for, what is handed out, and how it is refused. Pure."""

from __future__ import annotations

import msgspec

from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret


class TokenAccount(msgspec.Struct, frozen=True, kw_only=True):
    """What a token call needs besides the stored credentials."""

    name: str
    user_agent: str
    """Of an account whose login has no identity pinned to it."""
    proxy: Secret | None = None


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A valid access token."""

    serial: int
    text: Secret
    expires: float
    """Wall time until which it is handed out."""
    fresh: bool = False
    """Whether it was issued for this very request."""


class TokenRefused(Exception):
    """No token; the cause is `auth`, `risk`, `platform` or `network`, and the reason free of secrets."""

    def __init__(self, cause: Cause, reason: Reason) -> None:
        self.cause = cause
        self.reason = reason
        super().__init__(cause, reason)

    def __str__(self) -> str:
        return f"{self.cause.value}: {self.reason}"


class HeldBack(Exception):
    """An outage began while the call waited for its turn."""
