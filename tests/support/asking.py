"""Calls about items and orders without a fleet: a user's record, a way out, and the built-in gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.gateway import Gateway
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.platform_calls.service import Asker, CallLimits, PlatformCalls
from xyfleet.supervisor.platform_calls.shipments import Shipments
from xyfleet.supervisor.tokens.egress import tls_context
from xyfleet.supervisor.tokens.pacing import TokenLimits
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.worker.secret import Secret

UNB = "2200000000077"
QUICK = CallLimits(rate=0, timeout=2.0)


def may() -> None:
    """Nothing speaks against a call."""


SHOP = Asker("shop", None, None, may)


class Desk:
    """One account that may ask."""

    def __init__(self, folder: Path, token_url: str, limits: CallLimits = QUICK) -> None:
        self.store = Store(folder)
        self.store.load([])
        self.log_in("1")
        self.tokens = TokenService(self.store, token_url, tls_context(None), TokenLimits(rate=0))
        self.calls = PlatformCalls(self.store, self.tokens, limits)
        self.shipments = Shipments(self.calls)

    def log_in(self, session: str) -> None:
        """Give the account a cookie; the same one again changes nothing."""
        self.store.adopt("shop", Secret(f"unb={UNB}; cookie2=sim-ask-{session}"), "file")


@asynccontextmanager
async def desk(folder: Path, gateway: Gateway, limits: CallLimits = QUICK) -> AsyncIterator[Desk]:
    """Give a desk, and put all that it keeps on disk at the end."""
    opened = Desk(folder, gateway.token_url, limits)
    try:
        yield opened
    finally:
        await opened.shipments.close()
        assert await opened.store.close()
