"""Carries outages out: probes the ways, sends canaries, opens and shuts the gates of accounts. Shell.

The rule is in `outage`. Sockets that are open stay open in every outage.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from xyfleet.supervisor.common.event_log import Kind as EventKind
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.account_state import Login, Wish
from xyfleet.supervisor.supervision.outage import (
    CANARY_PATIENCE,
    GROUPS,
    PLATFORM,
    PROBE_EVERY,
    Group,
    Outage,
    OutageWatch,
)
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret

TICK: Final = 0.5
PROBE_GOOD_FOR: Final = 2.0
"""Seconds for which one probe's answer speaks for every account of its way that fails meanwhile."""


class Probe(Protocol):
    """Connects to the platform over a way (a proxy's address; None: directly)."""

    async def __call__(self, proxy: Secret | None) -> str | None:
        """Return None when it is answered, else why not. Never raises."""


class OutageRecovery:
    """The shell around `OutageWatch`."""

    def __init__(
        self,
        members: Mapping[str, SupervisedAccount],
        probe: Probe,
        note: Callable[[str | None, EventKind, str, dict[str, object]], None],
        hurry: Callable[[], None],
    ) -> None:
        self.watch = OutageWatch()
        self._members = members
        self._probe = probe
        self._note = note
        self._hurry = hurry
        """Ends the pauses between token calls that failed."""
        self._moved = asyncio.Condition()
        self._probed: dict[Secret | None, tuple[float, str | None]] = {}
        self._probing: dict[Secret | None, asyncio.Task[str | None]] = {}

    async def pass_reach(self, member: SupervisedAccount) -> None:
        """Wait until no outage holds the account's dials back."""
        await self._until(lambda: not self.holds(member))

    async def pass_login(self, member: SupervisedAccount) -> None:
        """Wait until no outage holds the account's token calls back."""
        await self._until(lambda: not any(self.gates(member)))

    def gates(self, member: SupervisedAccount) -> tuple[bool, bool]:
        """Return whether outages hold the account's dials back now, and its token calls and logins."""
        return self.watch.gates(member.name, member.account.proxy)

    def holds(self, member: SupervisedAccount) -> bool:
        """Whether an outage holds the account's dials back now."""
        return self.gates(member)[0]

    def stands(self, member: SupervisedAccount) -> None:
        """Look at an account whose condition has changed."""
        it, now = member.condition, time.monotonic()
        if it.wish is not Wish.RUN or it.login in (Login.PERSON, Login.HELD):
            self._leaves(member.name, now)
            return
        cause = None if it.up or not member.was_down else it.cause
        for outage in self.watch.stands(member.name, member.account.proxy, cause, now):
            self._begun(outage, None)
        if member.just_connected:
            for outage in self.watch.ended_by(member.name):
                self._over(outage, f"{member.name} is connected", now)
        elif not it.up and (member.failed_again or it.waits_for in ("cooldown", "proxy")):
            self._canary_failed(member.name, now)

    def moved(self, member: SupervisedAccount) -> None:
        """The account is new, or goes another way now: what was lost on the old one says nothing."""
        member.was_down = False
        self.stands(member)
        self._set_gates_of(member)

    def leave(self, name: str) -> None:
        """The account is no member any more."""
        self._leaves(name, time.monotonic())

    async def look_whose_trouble(self, member: SupervisedAccount, cause: Cause) -> None:
        """An account is FAILED: begin an outage when a probe over its way is not answered."""
        if GROUPS.get(cause) is not Group.REACH or self.holds(member):
            return
        silent = await self._probe_once(member.account.proxy)
        if silent is not None:
            outage = self.watch.silent(member.name, time.monotonic())
            if outage is not None:
                self._begun(outage, silent)

    async def run(self) -> None:
        """Probe and send canaries for ever."""
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            for outage in self.watch.empty():
                self._over(outage, "nobody is down any more", now)
            for outage in list(self.watch.outages.values()):
                if outage.group is Group.REACH:
                    # While all ways are silent it is enough to ask for the platform.
                    if outage.scope is PLATFORM or (PLATFORM, Group.REACH) not in self.watch.outages:
                        self._try_ways(outage, now)
                elif outage.canary is None:
                    self._send_canary(outage, now)
                elif now - outage.canary_since > CANARY_PATIENCE:
                    held = outage.canary in self._members and self.holds(self._members[outage.canary])
                    self.watch.came_back(outage, now, failed=not held)
                    self._set_gates()

    # Probes.

    async def _probe_once(self, proxy: Secret | None) -> str | None:
        at, answer = self._probed.get(proxy, (float("-inf"), None))
        if time.monotonic() - at < PROBE_GOOD_FOR:
            return answer
        job = self._probing.get(proxy)
        if job is None:
            job = self._probing[proxy] = asyncio.create_task(self._ask(proxy))
        await asyncio.wait([job])
        return job.result() if not job.cancelled() else None

    async def _ask(self, proxy: Secret | None) -> str | None:
        try:
            answer = await self._probe(proxy)
        finally:
            del self._probing[proxy]
        now = time.monotonic()
        self._probed = {way: kept for way, kept in self._probed.items() if now - kept[0] < PROBE_GOOD_FOR}
        self._probed[proxy] = (now, answer)
        return answer

    def _try_ways(self, outage: Outage, now: float) -> None:
        """Probe over a way of the scope; of the platform's, over each in turn."""
        if now < outage.next_try:
            return
        ways = self._ways(outage)
        way = ways[int(now / PROBE_EVERY) % len(ways)]
        if way not in self._probing:
            outage.next_try = now + PROBE_EVERY
            job = self._probing[way] = asyncio.create_task(self._ask(way))
            job.add_done_callback(lambda done: self._answered(outage, done))

    def _ways(self, outage: Outage) -> list[Secret | None]:
        if outage.scope is not PLATFORM:
            assert outage.scope is None or isinstance(outage.scope, Secret)
            return [outage.scope]
        return list({member.account.proxy: None for member in self._members.values()}) or [None]

    def _answered(self, outage: Outage, job: asyncio.Task[str | None]) -> None:
        if not job.cancelled() and job.exception() is None and job.result() is None:
            self._over(outage, "the endpoint answers", time.monotonic())

    # Canaries.

    def _send_canary(self, outage: Outage, now: float) -> None:
        if now < outage.next_try:
            return
        name = self.watch.next_canary(outage, (m.name for m in self._members.values() if self._could_go(m, outage)))
        if name is not None:
            self.watch.send(outage, name, now)
            self._note(name, "outage", "canary", {})
            self._set_gates()

    def _could_go(self, member: SupervisedAccount, outage: Outage) -> bool:
        it = member.condition
        wanted = it.wish is Wish.RUN and not it.up and it.login not in (Login.PERSON, Login.HELD)
        wanted = wanted and it.waits_for != "cooldown" and not self.holds(member)
        return wanted and self.watch.in_scope(outage, member.account.proxy) and member.was_down

    def _canary_failed(self, name: str, now: float) -> None:
        for outage in self._canaried(name):
            self.watch.came_back(outage, now, failed=True)
            self._set_gates()

    def _leaves(self, name: str, now: float) -> None:
        for outage in self._canaried(name):
            self.watch.came_back(outage, now, failed=False)
            self._set_gates()
        self.watch.leaves(name)

    def _canaried(self, name: str) -> list[Outage]:
        return [each for each in self.watch.outages.values() if each.canary == name]

    # Begin and end.

    def _begun(self, outage: Outage, reason: str | None) -> None:
        facts: dict[str, object] = {"cause": outage.cause, "accounts": outage.accounts, "reason": reason}
        self._note(None, "outage", "begun", facts)
        self._set_gates()

    def _over(self, outage: Outage, reason: str, now: float) -> None:
        if self.watch.outages.get((outage.scope, outage.group)) is not outage:
            return
        self.watch.over(outage, now)
        self._note(None, "outage", "over", {"reason": reason})
        if outage.group is Group.REACH:
            self._hurry()
        self._count_anew(outage)
        self._set_gates()

    def _count_anew(self, outage: Outage) -> None:
        """Who was down for it is on his way up: only what fails from now on counts."""
        for member in self._members.values():
            proxy = member.account.proxy
            mine = self.watch.in_scope(outage, proxy) and GROUPS.get(member.condition.cause) is outage.group
            if mine and (proxy, outage.group) not in self.watch.outages:
                member.was_down = False
                self.stands(member)

    def _set_gates(self) -> None:
        """Tell every account how its gates stand now; those of most do not move."""
        for member in list(self._members.values()):
            self._set_gates_of(member)
        self._waking = asyncio.ensure_future(self._wake())

    def _set_gates_of(self, member: SupervisedAccount) -> None:
        reach, login = self.watch.gates(member.name, member.account.proxy)
        if (reach, login) != (member.condition.reach_gate, member.condition.login_gate):
            member.happened(Event(kind=Kind.GATES, reach=reach, login=login))

    async def _until(self, true: Callable[[], bool]) -> None:
        async with self._moved:
            await self._moved.wait_for(true)

    async def _wake(self) -> None:
        async with self._moved:
            self._moved.notify_all()
