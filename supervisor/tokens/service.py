"""The token call: one at a time per account, paced per way out, repeated as rarely as can be. Shell.

Token calls are what risk control watches (docs/protocol.md, "Token"), so a held token is used until it expires or the
gateway refuses it, and nothing is called after a dead login or a risk check until somebody says so.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Collection
from functools import partial
from random import Random
from typing import Final

from xyfleet.supervisor.common.rate_limit import recent
from xyfleet.supervisor.common.single_flight import SingleFlight
from xyfleet.supervisor.credentials.store import Key, Store, Superseded
from xyfleet.supervisor.identity import Identity
from xyfleet.supervisor.tokens import call, egress, mtop
from xyfleet.supervisor.tokens.answers import TokenAnswers, check
from xyfleet.supervisor.tokens.egress import Egress
from xyfleet.supervisor.tokens.pacing import TokenLimits, TokenSchedule
from xyfleet.supervisor.tokens.token_values import HeldBack, Token, TokenAccount
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret

MAX_SIGNINGS: Final = 3
"""Calls for one token: the signing cookie is renewed by an answer, so the second one should do."""
LAST_CALL: Final = 3.0
"""Seconds that a call already sent may still take when nobody wants its token any more: it is paid for."""


class TokenService:
    """Hands out access tokens. `wall` and `clock` are `time.time` and `time.monotonic`."""

    def __init__(
        self,
        store: Store,
        url: str,
        tls: ssl.SSLContext,
        limits: TokenLimits | None = None,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self.url = url
        """Where tokens are called for; may be changed at any time."""
        self._tls = tls
        self._wall = wall
        self._random = Random()
        self._turns = TokenSchedule(limits or TokenLimits(), wall=wall, clock=clock)
        self.answers = TokenAnswers(store, self._turns, wall)
        self._flights: SingleFlight[Token] = SingleFlight()
        self._sent: dict[Key, asyncio.Task[Token | None]] = {}
        """Calls under way. They outlive whoever asked for them, since they are paid for."""
        self._egresses: dict[Secret | None, Egress] = {}
        self._listeners: dict[str, list[Callable[[Reason], None]]] = {}

    def apply(self, limits: TokenLimits) -> None:
        """Take other limits from now on."""
        self._turns.apply(limits)

    def waits(self) -> dict[str, Reason]:
        """Return what each account waits for now whose token call waits."""
        return self._turns.waits()

    def keep(self, proxies: Collection[Secret | None]) -> None:
        """Forget the ways out that no account goes any more."""
        self._egresses = {way: each for way, each in self._egresses.items() if way in proxies or each.used}
        self._turns.turns.keep(proxies)

    def unwanted(self, name: str) -> None:
        """Nobody wants an account's token any more: a call already sent has `LAST_CALL` seconds to be answered."""
        key = self._store.key(name)
        call = self._sent.get(key)
        if call is not None:
            asyncio.get_running_loop().call_later(LAST_CALL, self._give_up, name, call)

    def _give_up(self, name: str, call: asyncio.Task[Token | None]) -> None:
        if name not in self._listeners:  # else it is wanted again
            call.cancel()

    async def close(self) -> None:
        """Wait for the calls already sent, `LAST_CALL` seconds at most: their answers are paid for."""
        if self._sent:
            _, late = await asyncio.wait(list(self._sent.values()), timeout=LAST_CALL)
            for call in late:
                call.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def held(self, name: str, stale: int | None = None) -> Token | None:
        """Return the token on hand if it is still good, and newer than the serial `stale`. No call is made."""
        held = self._store.get(name)
        if held.token is None or held.expires <= self._wall():
            return None
        if stale is not None and held.serial <= stale:
            return None
        if len(held.token.reveal()) > mtop.MAX_TOKEN:  # an older version took what no message to a worker holds
            return None
        return Token(serial=held.serial, text=held.token, expires=held.expires)

    async def get(
        self,
        account: TokenAccount,
        stale: int | None = None,
        on_wait: Callable[[Reason], None] | None = None,
        held_back: Callable[[], bool] | None = None,
    ) -> Token:
        """Return a valid token, the one on hand or else a new one.

        Args:
            account: whose token.
            stale: serial of a token that the gateway refused or a kick-out voided.
            on_wait: called with the reason when the day's budget or a pause holds the call back.
            held_back: asked when the account's turn has come: whether an outage began while it waited.

        Raises:
            HeldBack: it did; no call was made.
            TokenRefused: after `auth` and `risk` at once, without a call, until `forgive()` or a new cookie.
        """
        held = self.held(account.name, stale)
        if held is not None:
            return held
        self._drop(account.name, stale)
        key = self._store.key(account.name)
        listeners = self._listeners.setdefault(account.name, [])
        listener = on_wait or _deaf
        listeners.append(listener)
        try:
            return await self._flights.share(str(key), lambda: self._fetch(account, key, held_back or _never))
        finally:
            listeners.remove(listener)
            if not listeners:
                self._listeners.pop(account.name, None)

    def forgive(self, name: str) -> None:
        """Let the account's next call be made: an operator's command, a new cookie, or a probe after a long rest."""
        held, key = self._store.get(name), self._store.key(name)
        if held.verdict is not None:
            self._store.put(key, held.but(verdict=None))
        self._turns.hurry(name)

    def void(self, name: str) -> None:
        """The next token must be a new one."""
        held = self._store.get(name)
        if held.token is not None:
            self._store.put(self._store.key(name), held.but(token=None))

    def hurry_account(self, name: str) -> None:
        """Forget an account's pause after failed calls; what was said of its login stays."""
        self._turns.hurry(name)

    def hurry(self) -> None:
        """An outage is over: end every account's pause after failed calls. A dead login stays dead."""
        self._turns.hurry_all()

    async def turn(self, name: str, proxy: Secret | None) -> None:
        """Return when an account may make another call of the page's by its way out: all share one pace."""
        await self._turns.wait_turn(name, proxy)

    async def spare_turn(self, proxy: Secret | None) -> None:
        """Return when another call may be made by a way out that no token call waits for: these go first."""
        await self._turns.wait_spare_turn(proxy)

    def way(self, proxy: Secret | None) -> Egress:
        """Return a way out, for other calls of the page's."""
        return self._egress(proxy)

    async def probe(self, url: str, proxy: Secret | None = None, timeout: float = 5.0) -> Reason | None:
        """Connect (TCP, and TLS for wss and https) to a URL's host, through the proxy if there is one.

        Return why that fails, None when it works.
        """
        try:
            await egress.probe(url, proxy, self._tls, timeout)
        except egress.Unreachable as error:
            return error.reason
        return None

    # One flight.

    async def _fetch(self, account: TokenAccount, key: Key, held_back: Callable[[], bool]) -> Token:
        check(self._store.at(key))
        way = self._egress(account.proxy)
        try:
            async with way.session():  # one for all its calls
                return await self._calls(account, key, way, held_back)
        except egress.Unreachable as error:
            raise self.answers.failed(account.name, error.reason, reached=False) from None

    async def _calls(self, account: TokenAccount, key: Key, way: Egress, held_back: Callable[[], bool]) -> Token:
        name, page = account.name, mtop.page_id(self._random)
        for signing in range(MAX_SIGNINGS):
            sent = self._sent.get(key)
            if sent is None:
                await self._turns.wait_pause(name, partial(self._made, key), partial(self._announce, name))
                if signing == 0:  # the further ones belong to the same turn: no shop waits twice for one token
                    await self._turns.wait_turn(name, account.proxy)
                    if held_back():
                        raise HeldBack
                check(self._store.at(key))
                sent = self._send(account, key, way, page)
            await asyncio.wait([sent])  # cancelled here, the call goes on: it is paid for
            token = None if sent.cancelled() else sent.result()
            if token is not None:
                return token
        raise self.answers.failed(name, Reason("signing_refused"))

    def _made(self, key: Key) -> list[float]:
        """Return the wall times of the calls so far."""
        return [*self._store.up_to(key, self._wall()).calls]

    def _send(self, account: TokenAccount, key: Key, way: Egress, page: str) -> asyncio.Task[Token | None]:
        call = self._sent[key] = asyncio.create_task(self._call(account, key, way, page))
        call.add_done_callback(lambda done: self._answered(key, done))
        return call

    def _answered(self, key: Key, call: asyncio.Task[Token | None]) -> None:
        del self._sent[key]
        if not call.cancelled():
            call.exception()  # whoever waits for the call has it; else it is nobody's

    async def _call(self, account: TokenAccount, key: Key, way: Egress, page: str) -> Token | None:
        """Make one call; return the token, or None when another call is wanted. Raises `TokenRefused`."""
        held, now = self._store.at(key), self._wall()
        assert held.cookie is not None, "checked before"
        try:
            # On disk before it is made: who is killed meanwhile must not forget it. A disk that refuses stops nobody.
            counted = held.but(calls=tuple(recent([*held.calls, now], now)))
            await self._store.write(key, counted, held.login)
            async with way.session() as session:
                answer = await call.post(
                    session,
                    self.url,
                    cookie=held.cookie,
                    device_id=held.device_id or "",
                    identity=held.identity or Identity(user_agent=account.user_agent),
                    page=page,
                    now=now,
                    timeout=self._turns.limits.timeout,
                    proxy=account.proxy,
                )
            token = self.answers.settle(account.name, key, held, answer)
            # On disk before it is used: who is killed meanwhile must not have to pay for another one.
            if token is not None and not await self._store.keep(key, held.login):
                return None
            return token
        except Superseded:
            return None
        except call.CallFailed as error:
            if not error.reached:
                self._uncount(key, now)
            raise self.answers.failed(account.name, error.reason, reached=error.reached) from None

    def _uncount(self, key: Key, at: float) -> None:
        """The call did not reach the server."""
        held = self._store.at(key)
        if at in held.calls:
            self._store.put(key, held.but(calls=tuple(each for each in held.calls if each != at)))

    def _drop(self, name: str, stale: int | None) -> None:
        """The gateway refused serial `stale`: no restart of ours may hand it out again, nor give its number twice."""
        held = self._store.get(name)
        if stale is not None and held.serial <= stale and (held.serial, held.token) != (stale, None):
            self._store.put(self._store.key(name), held.but(serial=stale, token=None))

    def _announce(self, name: str, why: Reason) -> None:
        for listener in self._listeners.get(name, ()):
            listener(why)

    def _egress(self, proxy: Secret | None) -> Egress:
        if proxy not in self._egresses:
            self._egresses[proxy] = Egress(proxy, self._tls)
        return self._egresses[proxy]


def _deaf(why: Reason) -> None:
    """For callers who do not ask why they wait."""


def _never() -> bool:
    """For callers whom no outage holds back."""
    return False
