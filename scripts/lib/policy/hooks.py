"""Logins of the month: the real cool-down, budget and places; only the answers are made up. Shell."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Final

from scripts.lib.policy.clock import spawn
from xyfleet.supervisor.credentials.record import Attempt
from xyfleet.supervisor.login_hook.policy import next_allowed
from xyfleet.supervisor.settings import Refresh
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Event, HookEnd, Kind

if TYPE_CHECKING:
    from scripts.lib.policy.shop import Shop

LOGIN: Final = 40.0
"""Seconds of a login."""
PERSON: Final = 3 * 3600.0
"""Seconds until a person has seen that he is needed, and logged in."""


class MonthHooks:
    """Runs made-up logins, a few at a time."""

    def __init__(self, cooldown: float, good: float, person: float, chance: random.Random) -> None:
        self._settings = Refresh(cooldown=cooldown)
        self._good = good
        self._person = person
        self._chance = chance
        self._places = asyncio.Semaphore(self._settings.max_concurrent)
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._attempts: dict[str, list[Attempt]] = {}

    def ask(self, shop: Shop, member: SupervisedAccount, number: int) -> None:
        """Have the hook run."""
        self.cancel(shop.name)
        self._jobs[shop.name] = spawn(self._run(shop, member, number))

    def cancel(self, name: str) -> None:
        """End the run, or its waiting."""
        if (job := self._jobs.pop(name, None)) is not None:
            job.cancel()

    async def _run(self, shop: Shop, member: SupervisedAccount, number: int) -> None:
        await asyncio.sleep(0)
        await shop.month.recovery.pass_doubt(member)
        mine = self._attempts.setdefault(shop.name, [])
        if self._wait(mine) > 0:
            self._end(member, number, "not_allowed", mine)
            return
        if not shop.reachable:
            await asyncio.sleep(5.0)
            self._end(member, number, "proxy", mine)
            return
        async with self._places:
            member.happened(Event(kind=Kind.HOOK_STARTED, number=number))
            began = time.time()
            mine.append(Attempt(start=began))
            self._count(shop)
            await asyncio.sleep(LOGIN)
            end = self._outcome(shop)
            mine[-1] = Attempt(start=began, ok=end == "new")
            if end == "person":
                shop.month.call_person(shop)
        self._end(member, number, end, mine)

    def _count(self, shop: Shop) -> None:
        figures = shop.month.figures
        figures.logins += 1
        figures.needless += shop.login_good
        figures.by_day[shop.index, int(time.time() // 86_400)] += 1

    def _outcome(self, shop: Shop) -> HookEnd:
        luck = self._chance.random()
        if shop.month.ways.expired or not shop.reachable or luck >= self._good:
            return "person" if luck >= 1 - self._person else "failed"
        shop.logged_in()
        return "new"

    def _wait(self, mine: list[Attempt]) -> float:
        now = time.time()
        allowed = next_allowed(mine, now, cooldown=self._settings.cooldown, budget=self._settings.login_budget)
        return 0.0 if allowed is None else allowed - now

    def _end(self, member: SupervisedAccount, number: int, end: HookEnd, mine: list[Attempt]) -> None:
        member.happened(Event(kind=Kind.HOOK_ENDED, number=number, end=end, wait=self._wait(mine)))
