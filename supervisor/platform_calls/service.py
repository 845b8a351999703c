"""Signed calls about items and orders: by the account's way, in its pace, held back after a no. Shell.

Such calls are watched as token calls are (docs/protocol.md, "Token"). Who asks the same at the same time shares one
call; what was asked under an older login is nobody's answer. A check by a person that is asked for here holds back
calls like these alone: the connection and its token are well.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from xyfleet.supervisor.common.rate_limit import free_at, growing
from xyfleet.supervisor.common.single_flight import SingleFlight
from xyfleet.supervisor.common.turns import EgressTurns
from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.credentials.record import AskHold, shown
from xyfleet.supervisor.credentials.store import Key, Store
from xyfleet.supervisor.identity import Identity
from xyfleet.supervisor.passport.mtop_calls import mtop_url
from xyfleet.supervisor.passport.sites import sites_of
from xyfleet.supervisor.platform_calls import apis
from xyfleet.supervisor.platform_calls.apis import ApiCall
from xyfleet.supervisor.tokens import call as http
from xyfleet.supervisor.tokens import egress, mtop
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret

MAX_SIGNINGS: Final = 3
"""Posts of one call: the signing cookie is renewed by an answer, so the second one should do."""
_LONGEST_HOLD: Final = 86_400.0
_CHECK_PAUSE: Final = (3600.0, _LONGEST_HOLD)
"""Seconds without a call after a check by a person was asked for, or the login was called dead: first and longest."""
_log: Final = logging.getLogger(__name__)


class CallLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How often one account may ask, whatever it asks for; the pace of its way out comes on top."""

    rate: float = 0.5
    """Calls per second."""
    burst: int = 10
    per_day: int = 2000
    waiting: int = 20
    """Questions that wait at one time."""
    timeout: float = 20.0
    """Seconds for one post."""


class AskRefused(Exception):
    """
    There is no answer.

    Args:
        reason: Its code begins with `ask_`; what comes behind is for programs (docs/handlers.md).
        sure: Whether it is certain that nothing was done.
    """

    def __init__(self, reason: Reason, *, sure: bool = True) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.sure = sure


def refused(code: str, **fields: str | int | float | Reason) -> AskRefused:
    """Return a refusal by which it is certain that nothing was done."""
    return AskRefused(Reason(code, fields))


class Asker(NamedTuple):
    """Whose call it is."""

    name: str
    proxy: Secret | None
    identity: Identity | None
    may: Callable[[], None]
    """Raises `AskRefused` when no call may be made for it now, or its answer is nobody's any more."""


class PlatformCalls:
    """Makes the calls of all accounts."""

    def __init__(
        self,
        store: Store,
        tokens: TokenService,
        limits: CallLimits | None = None,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self.limits = limits or CallLimits()
        self._tokens = tokens
        self._wall = wall
        self._clock = clock
        self._flights: SingleFlight[Any] = SingleFlight()
        self._turns = EgressTurns(self.limits.rate, burst=self.limits.burst, clock=clock)
        self._gates: dict[Secret | None, asyncio.Lock] = {}
        """One of a way's askers at a time looks for a turn that no token call waits for; the others are behind him."""
        self._waiting: dict[str, int] = {}
        self._made: dict[Key, deque[float]] = {}
        """Wall times of each user's last day of calls."""
        self.held: Callable[[str, Reason], None] = lambda *_hold: None
        """Called with an account's name and the reason when its calls are held back from now on."""

    def keep(self, names: Collection[str], proxies: Collection[Secret | None]) -> None:
        """Forget what belongs to no account any more."""
        self._turns.keep(names)
        self._gates = {way: gate for way, gate in self._gates.items() if way in proxies or gate.locked()}
        users = {self.store.key(name) for name in names}
        self._made = {key: times for key, times in self._made.items() if key in users}

    async def ask(self, asker: Asker, call: ApiCall) -> Any:
        """Return the `data` of an answer that says SUCCESS. Raises `AskRefused`."""
        if call.changes:  # what one asked for is not what another one asked for again
            return await self._fetch(asker, call)
        key, login = self.store.key(asker.name), self.store.get(asker.name).login
        flight = f"{key} {login} {call.api} {call.version} {call.data}"
        return await self._flights.share(flight, lambda: self._fetch(asker, call))

    async def _fetch(self, asker: Asker, call: ApiCall) -> Any:
        async with self.turn(asker):
            return await self.post(asker, call)

    @contextlib.asynccontextmanager
    async def turn(self, asker: Asker) -> AsyncIterator[None]:
        """Wait for the account's turn; inside, its call may be made at once. Raises `AskRefused`."""
        name = asker.name
        self._check(asker)
        if self._waiting.get(name, 0) >= self.limits.waiting:
            raise refused("ask_busy", count=self.limits.waiting)
        self._waiting[name] = self._waiting.get(name, 0) + 1
        try:
            await self._turns.take(name, name)
            async with self._gates.setdefault(asker.proxy, asyncio.Lock()):
                await self._tokens.spare_turn(asker.proxy)
            self._check(asker)
        finally:
            self._waiting[name] -= 1
            if not self._waiting[name]:
                del self._waiting[name]
        yield

    def _check(self, asker: Asker) -> None:
        asker.may()
        key, now = self.store.key(asker.name), self._wall()
        hold = self.store.at(key).ask_hold
        left = 0.0 if hold is None else min(hold.until - now, _LONGEST_HOLD)  # the clock may have been set back
        if hold is not None and left > 0:
            raise AskRefused(Reason(hold.reason.code, {**hold.reason.fields, "seconds": left}))
        made = self._made.setdefault(key, deque(maxlen=self.limits.per_day))
        wait = free_at(made, now, self.limits.per_day) - now if len(made) == self.limits.per_day else 0.0
        if wait > 0:
            raise refused("ask_budget", count=self.limits.per_day, seconds=wait)

    async def post(self, asker: Asker, call: ApiCall) -> Any:
        """Make a call whose turn it is; return its `data`. Signed anew where the platform looked no further."""
        login, unsure = self.store.get(asker.name).login, False
        for _ in range(MAX_SIGNINGS):
            answer = await self._post(asker, call)
            if self.store.get(asker.name).login != login and not call.changes:
                raise refused("ask_stopped")
            meaning = mtop.judged(answer.status, answer.body, answer.location)
            if unsure and isinstance(meaning, mtop.Unsure):
                meaning = mtop.SessionExpired()
            if not isinstance(meaning, mtop.SignExpired | mtop.Unsure):
                return self._meant(asker, call, meaning, login)
            unsure = isinstance(meaning, mtop.Unsure)
            self._check(asker)
        raise refused("ask_network", of=Reason("signing_refused"))

    async def _post(self, asker: Asker, call: ApiCall) -> http.RawAnswer:
        """Post once, and keep what cookies the answer sets."""
        key = self.store.key(asker.name)
        held, now = self.store.at(key), self._wall()
        if held.cookie is None:
            raise refused("ask_login")
        self._made.setdefault(key, deque(maxlen=self.limits.per_day)).append(now)
        headers = http.headers(shown(held, asker.identity), call.origin, call.referer) | call.headers
        try:
            async with self._tokens.way(asker.proxy).session() as session:
                answer = await http.post_signed(
                    session,
                    self._url(call),
                    apis.query(call, held.cookie, now),
                    call.data,
                    headers,
                    cookie=held.cookie,
                    timeout=self.limits.timeout,
                    proxy=asker.proxy,
                )
        except egress.Unreachable as error:
            raise refused("ask_network", of=error.reason) from None
        except http.CallFailed as error:
            raise AskRefused(Reason("ask_network", {"of": error.reason}), sure=not error.reached) from None
        latest = self.store.at(key)
        if answer.set_cookie and latest.login == held.login and latest.cookie is not None:
            self.store.put(key, latest.but(cookie=cookies.merge(latest.cookie, answer.set_cookie, self._wall())))
        return answer

    def _url(self, call: ApiCall) -> str:
        return mtop_url(sites_of(self._tokens.url), call.api, call.version)

    def _meant(self, asker: Asker, call: ApiCall, meaning: mtop.Answer | mtop.Said | mtop.Declined, login: int) -> Any:
        """Return the answer's `data`, or raise, and hold back what is not to be asked again for a while."""
        held = partial(self._hold, asker, call, login)
        match meaning:
            case mtop.Said(data):
                self._free(asker)
                return data
            case mtop.Declined(words):
                raise refused("ask_refused", words=words)
            case mtop.Risk():
                raise held(Reason("ask_risk"), *_CHECK_PAUSE)
            case mtop.SessionExpired():
                raise held(Reason("ask_login"), *_CHECK_PAUSE)
            case mtop.Unknown(reason, wait) if wait:
                raise held(Reason("ask_slower", {"of": reason}), wait, wait)
            case mtop.Unknown(reason) | mtop.Transient(reason):
                raise AskRefused(Reason("ask_network", {"of": reason}), sure=False)
            case _:
                raise AskRefused(Reason("ask_network", {"of": Reason("codeless_answer")}), sure=False)

    def _hold(
        self, asker: Asker, call: ApiCall, login: int, reason: Reason, first: float, longest: float
    ) -> AskRefused:
        """Hold the account's calls back; the gate in front of the service has refused this one."""
        key = self.store.key(asker.name)
        held = self.store.at(key)
        times = 1 if held.ask_hold is None else held.ask_hold.times + 1
        if held.login == login:
            until = self._wall() + growing(first, longest, times)
            self.store.put(key, held.but(ask_hold=AskHold(reason=reason, until=until, times=times)))
            self.held(asker.name, reason)
        _log.warning("no calls for a while account=%s api=%s reason=%s", asker.name, call.api, reason)
        return AskRefused(reason)

    def _free(self, asker: Asker) -> None:
        key = self.store.key(asker.name)
        if self.store.at(key).ask_hold is not None:
            self.store.put(key, self.store.at(key).but(ask_hold=None))
