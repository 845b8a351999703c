"""Runs the owner's password-login refresh hook. Shell.

One run per account at a time, a few over the whole fleet; no shell, a clean environment, secrets over stdin only; ended
with all it started when its time is over, when nobody waits for it any more, or when the supervisor dies (`hookguard`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from xyfleet.supervisor.common.program_check import diagnose
from xyfleet.supervisor.common.rate_limit import DAY
from xyfleet.supervisor.common.single_flight import SingleFlight
from xyfleet.supervisor.credentials.cookies import InvalidCookie
from xyfleet.supervisor.credentials.record import Attempt, Credentials, OtherUser, encode, same_user
from xyfleet.supervisor.credentials.store import Key, Store
from xyfleet.supervisor.login_hook.log import HookLog
from xyfleet.supervisor.login_hook.policy import Failed, NewCookie, NothingToChange, Result, understand
from xyfleet.supervisor.login_hook.process import MAX_OUTPUT, Ended, execute
from xyfleet.supervisor.login_hook.redaction import Redactor
from xyfleet.supervisor.login_hook.request import HookAccount, HookRequest, environment, redactor_of, request_of
from xyfleet.supervisor.settings import Refresh
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason
from xyfleet.worker.text import cut

KEPT_ATTEMPTS: Final = 64
"""Runs remembered per account beside all those of the last day, which the rules look back."""
_log: Final = logging.getLogger("xyfleet.hook")


class WayChanged(Exception):
    """The account goes another way now than the one that was looked at before it waited; nothing was run."""


class HookService:
    """
    Runs the hook and keeps each account's history of runs.

    When a run is due is the caller's question to `refresh_rules.next_allowed`; what to do with a new cookie is the
    caller's part too (`Store.replace`).
    """

    def __init__(
        self,
        store: Store,
        settings: Refresh,
        folder: Path,
        log_dir: Path | None,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        """May be changed at any time."""
        self._store = store
        self._folder = folder
        self._log_dir = log_dir
        self._wall = wall
        self._flights: SingleFlight[Result] = SingleFlight()
        self._running = 0
        self._waiting: dict[object, str] = {}
        """Who waits for a place, first come first."""
        self._usual: float | None = None
        """Seconds that a run takes, as the latest ones did."""
        self._freed = asyncio.Event()
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="xyfleet-hook-log")

    async def run(
        self,
        account: HookAccount,
        cause: Cause,
        failures: int,
        started: Callable[[], None] | None = None,
        latest: Callable[[], HookAccount] | None = None,
        same_way: Callable[[], bool] = lambda: True,
    ) -> Result:
        """Run the hook and return what came of it; cancelled, the hook is ended.

        Args:
            account: who is to be logged in.
            cause: what the login is to mend.
            failures: failed connections in a row.
            started: called when the hook has its place and its run is on record.
            latest: returns the account as it is then: its password or proxy may be another by the time of its place.
            same_way: asked when it has its place, before anything is on record.

        Raises:
            WayChanged: it said no.
        """
        job = partial(self._run, account.name, latest or (lambda: account), cause, failures, started, same_way)
        return await self._flights.share(account.name, job)

    async def close(self) -> None:
        """Wait for the last log lines. Runs under way are ended by cancelling those who wait for them."""
        await asyncio.to_thread(self._writer.shutdown)

    async def _run(
        self,
        name: str,
        latest: Callable[[], HookAccount],
        cause: Cause,
        failures: int,
        started: Callable[[], None] | None,
        same_way: Callable[[], bool],
    ) -> Result:
        async with self._place(name):
            if not same_way():
                raise WayChanged
            key = self._store.key(name)
            held = self._store.at(key)
            attempt = Attempt(start=self._wall())
            if not await self._begin(key, attempt):
                return Failed(Reason("hook_not_recorded"), ran=False)
            if started is not None:
                started()
            account = latest()
            redactor = redactor_of(account, held)
            log = HookLog(account.name, self._log_dir, redactor, self._writer)
            said = "ended: not wanted any more"
            try:
                result = await self._attempt(
                    request_of(account, self._store.at(key), cause, failures), held, log, redactor
                )
                said = self._settle(account.name, key, attempt, result)
                return result
            finally:
                log.end(said, self._wall())

    @asynccontextmanager
    async def _place(self, name: str) -> AsyncIterator[None]:
        """Wait until fewer than `max_concurrent` hooks run, and whoever came before has his place."""
        me = object()
        self._waiting[me] = name
        try:
            while self._running >= self._places or next(iter(self._waiting)) is not me:
                self._freed.clear()
                await self._freed.wait()
        finally:
            del self._waiting[me]
            self._freed.set()
        self._running += 1
        began = time.monotonic()
        try:
            yield
        finally:
            self._running -= 1
            took = time.monotonic() - began
            self._usual = took if self._usual is None else (self._usual + took) / 2
            self._freed.set()

    @property
    def _places(self) -> int:
        return max(1, self.settings.max_concurrent)

    def waits(self) -> dict[str, Reason]:
        """Return who waits for a place now, and after how many others."""
        return {name: self._wait(place) for place, name in enumerate(self._waiting.values())}

    def _wait(self, place: int) -> Reason:
        if self._usual is None:
            return Reason("wait_hook", {"turn": place + 1})
        return Reason("wait_hook_about", {"turn": place + 1, "seconds": (place // self._places + 1) * self._usual})

    async def _begin(self, key: Key, attempt: Attempt) -> bool:
        """Put the run on disk before it starts: a supervisor that dies meanwhile must not forget it."""
        held = self._store.at(key)
        attempts = (*_remembered(held.attempts, attempt.start), attempt)
        if await self._store.write(key, held.but(attempts=attempts, hook_runs=held.hook_runs + 1), held.login):
            return True
        self._replace(key, attempt, msgspec.structs.replace(attempt, ran=False))
        return False

    def _replace(self, key: Key, attempt: Attempt, by: Attempt) -> None:
        held = self._store.at(key)
        attempts = tuple(by if each is attempt else each for each in held.attempts)
        self._store.put(key, held.but(attempts=attempts))

    async def _attempt(self, request: HookRequest, held: Credentials, log: HookLog, redactor: Redactor) -> Result:
        log.say(f"attempt {request.attempt}, cause {request.cause.value}", self._wall())
        command = self.settings.command
        if command is None:
            return Failed(Reason("no_hook"), ran=False)
        problem = await asyncio.to_thread(diagnose, Path(command[0]))
        if problem is not None:
            return Failed(problem, ran=False)
        try:
            ended = await execute(
                command,
                env=environment(request.account),
                folder=self._folder,
                stdin=encode(request),
                timeout=self.settings.timeout,
                on_stderr=log.feed,
            )
        except OSError as error:
            return Failed(Reason("hook_not_started", {"words": str(error.strerror)}), ran=False)
        return self._judge(ended, held, redactor)

    def _judge(self, ended: Ended, held: Credentials, redactor: Redactor) -> Result:
        if ended.stopped == "hangs":
            return Failed(Reason("hook_hangs", {"seconds": self.settings.timeout}))
        if ended.stopped == "floods":
            return Failed(Reason("hook_floods", {"size": MAX_OUTPUT // 1024}))
        result = understand(ended.code, ended.output)
        if isinstance(result, NewCookie):
            try:
                return NewCookie(same_user(held, result.cookie), result.user_agent)
            except InvalidCookie as error:
                return Failed(Reason("hook_cookie", {"of": error.reason}))
            except OtherUser as error:
                return Failed(error.reason)
        if isinstance(result, NothingToChange) and held.cookie is None:
            return Failed(Reason("hook_no_first_cookie"))
        if isinstance(result, Failed):
            return msgspec.structs.replace(result, reason=result.reason.cleaned(lambda said: cut(redactor.line(said))))
        return result

    def _settle(self, name: str, key: Key, attempt: Attempt, result: Result) -> str:
        """Put the result on record; return it in words."""
        by = msgspec.structs.replace(attempt, ok=not isinstance(result, Failed))
        match result:
            case Failed(reason, retry_after, needs_human, ran):
                until = None if retry_after is None else self._wall() + retry_after
                by = msgspec.structs.replace(by, ran=ran, not_before=until)
                if needs_human != (held := self._store.at(key)).needs_human:
                    self._store.put(key, held.but(needs_human=needs_human))
                said = f"failed: {reason}"
            case NothingToChange():
                said = "nothing to change"
            case NewCookie():
                said = "new cookie"
        self._replace(key, attempt, by)
        _log.info("refresh hook account=%s %s", name, said)
        return said


def _remembered(history: Sequence[Attempt], now: float) -> tuple[Attempt, ...]:
    """Return what is kept of earlier runs: all of the last day that ran, and some before them. None else counts."""
    ran = [attempt for attempt in history if attempt.ran]
    old = sum(now - attempt.start >= DAY for attempt in ran)
    return tuple(ran[max(0, min(old, len(ran) - KEPT_ATTEMPTS)) :])
