"""Token calls of the month: the real pace, pauses and day's budget; only the answers are made up. Shell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from xyfleet.supervisor.common.rate_limit import recent
from xyfleet.supervisor.common.single_flight import SingleFlight
from xyfleet.supervisor.settings import FleetRate
from xyfleet.supervisor.tokens.pacing import TokenLimits, TokenSchedule
from xyfleet.supervisor.tokens.token_values import HeldBack, Token, TokenAccount, TokenRefused
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.secret import Secret

if TYPE_CHECKING:
    from scripts.lib.policy.shop import Shop

LIFE: Final = 86_400.0
CALL: Final = 0.3
"""Seconds of a call that is answered; one that is not takes `UNANSWERED`."""
UNANSWERED: Final = 10.0


class MonthTokens:
    """Stands for `TokenService` before the accounts of a month."""

    def __init__(self, shops: dict[str, Shop], reaches: Callable[[Shop], bool]) -> None:
        self._shops = shops
        self._reaches = reaches
        self._turns = TokenSchedule(TokenLimits(over_fleet=FleetRate().token_calls))
        self._flights: SingleFlight[Token] = SingleFlight()

    def held(self, name: str, stale: int | None = None) -> Token | None:
        """Return the token at hand."""
        shop = self._shops[name]
        if shop.token is None or shop.token.expires <= time.time() or (stale is not None and shop.serial <= stale):
            return None
        return shop.token

    async def get(
        self,
        account: TokenAccount,
        stale: int | None = None,
        on_wait: Callable[[Reason], None] | None = None,
        held_back: Callable[[], bool] = lambda: False,
    ) -> Token:
        """Return a token, or raise `TokenRefused`."""
        held = self.held(account.name, stale)
        if held is not None:
            return held
        shop = self._shops[account.name]
        shop.token = None
        return await self._flights.share(account.name, lambda: self._fetch(shop, account, held_back))

    def forgive(self, name: str) -> None:
        """Let the next call be made."""
        self._shops[name].verdict = None
        self._turns.hurry(name)

    def hurry(self) -> None:
        """An outage is over."""
        self._turns.hurry_all()

    def hurry_account(self, name: str) -> None:
        """Forget an account's pause."""
        self._turns.hurry(name)

    async def probe(self, shop: Shop) -> Reason | None:
        """Connect to the platform by a shop's way."""
        await asyncio.sleep(0.1 if self._reaches(shop) else 5.0)
        return None if self._reaches(shop) else Reason("timeout")

    async def _fetch(self, shop: Shop, account: TokenAccount, held_back: Callable[[], bool]) -> Token:
        self._check(shop)
        await self._turns.wait_pause(shop.name, lambda: shop.calls, lambda why: None)
        await self._turns.wait_turn(shop.name, account.proxy)
        if held_back():
            raise HeldBack
        self._check(shop)
        now = time.time()
        if not self._reaches(shop):
            await asyncio.sleep(UNANSWERED)
            self._turns.failed(shop.name, reached=False)
            raise TokenRefused(Cause.NETWORK, Reason("token_call", {"of": words("not reached")}))
        shop.calls = recent([*shop.calls, now], now)
        shop.month.figures.calls[int(now)] += 1
        await asyncio.sleep(CALL)
        return self._answered(shop)

    def _answered(self, shop: Shop) -> Token:
        month = shop.month
        if month.ways.failing:
            self._turns.failed(shop.name, reached=True)
            raise TokenRefused(Cause.PLATFORM, Reason("token_call", {"of": Reason("http_status", {"status": 502})}))
        if shop.risky:
            shop.risky = False
            shop.verdict = Cause.RISK
        elif month.ways.expired or not shop.login_good:
            shop.verdict = Cause.AUTH
        self._check(shop)
        self._turns.hurry(shop.name)
        shop.serial += 1
        expires = time.time() + LIFE
        shop.token = Token(serial=shop.serial, text=Secret("t"), expires=expires)
        return Token(serial=shop.serial, text=Secret("t"), expires=expires, fresh=True)

    def _check(self, shop: Shop) -> None:
        if shop.verdict is not None:
            raise TokenRefused(shop.verdict, words("as before"))
