"""Probes of the ways to the platform: paced over the fleet, one per way at a time, each good for all who ask. Shell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

from xyfleet.supervisor.common.turns import TurnQueue
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret

PROBES: Final = (20.0, 20)
"""Probes per second over the whole fleet, and how many may go at once after a quiet time."""
PROBE_GOOD_FOR: Final = 2.0
"""Seconds for which one probe's answer speaks for every account of its way that fails meanwhile."""


class Probe(Protocol):
    """Connects to the platform over a way (a proxy's address; None: directly)."""

    async def __call__(self, proxy: Secret | None) -> Reason | None:
        """Return None when it is answered, else why not. Never raises."""


class WayProbes:
    """Asks over ways, and remembers for a moment what was answered."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._turns = TurnQueue(*PROBES, time.monotonic)
        self._waiting: dict[str, asyncio.Future[None]] = {}
        """Turns that accounts wait for."""
        self._answers: dict[Secret | None, tuple[float, Reason | None]] = {}
        self._asking: dict[Secret | None, asyncio.Task[Reason | None]] = {}

    async def ask(self, name: str, proxy: Secret | None, held: Callable[[], bool]) -> Reason | None:
        """
        Return why an account's way is silent; None when it is not, or when an outage holds the account by then.

        Args:
            name: Of the account.
            held: Whether an outage holds it now.
        """
        at, answer = self._answers.get(proxy, (float("-inf"), None))
        if time.monotonic() - at < PROBE_GOOD_FOR:
            return answer
        if proxy not in self._asking:
            await self._turn(name)
            if held():
                return None
        job = self._asking.get(proxy) or self._start(proxy)
        await asyncio.wait([job])
        return job.result() if not job.cancelled() else None

    def ask_now(self, proxy: Secret | None, answered: Callable[[Reason | None], None]) -> bool:
        """Have a way probed if that is possible at once, and its answer told; return whether it was possible."""

        def done(job: asyncio.Task[Reason | None]) -> None:
            if not job.cancelled() and job.exception() is None:
                answered(job.result())

        if proxy in self._asking or not self._turns.take_now():
            return False
        self._start(proxy).add_done_callback(done)
        return True

    def unwait(self, name: str) -> None:
        """An outage holds this account now: it takes no turn."""
        if name in self._waiting:
            self._waiting[name].cancel()

    async def _turn(self, name: str) -> None:
        """Wait for a probe's turn, or until `unwait`."""
        turn = self._waiting[name] = asyncio.ensure_future(self._turns.take(name))
        try:
            await asyncio.wait([turn])
        finally:
            turn.cancel()
            if self._waiting.get(name) is turn:
                del self._waiting[name]

    def _start(self, proxy: Secret | None) -> asyncio.Task[Reason | None]:
        job = self._asking[proxy] = asyncio.create_task(self._ask(proxy))
        return job

    async def _ask(self, proxy: Secret | None) -> Reason | None:
        try:
            answer = await self._probe(proxy)
        finally:
            del self._asking[proxy]
        now = time.monotonic()
        self._answers = {way: kept for way, kept in self._answers.items() if now - kept[0] < PROBE_GOOD_FOR}
        self._answers[proxy] = (now, answer)
        return answer
