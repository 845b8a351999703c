"""Carries outages out: probes the ways, sends canaries, opens and shuts the gates of accounts. Shell.

The rule is in `outage`. Sockets that are open stay open in every outage.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from xyfleet.supervisor.common.event_log import Kind as EventKind
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_state import Login, Wish
from xyfleet.supervisor.supervision.canary_turns import CANARY_PATIENCE
from xyfleet.supervisor.supervision.gate_news import GateNews
from xyfleet.supervisor.supervision.login_doubt import DOUBT, LoginDoubt, Standing
from xyfleet.supervisor.supervision.outage import PROBE_EVERY, OutageWatch
from xyfleet.supervisor.supervision.outage_values import GROUPS, PLATFORM, Group, Outage
from xyfleet.supervisor.supervision.way_probes import Probe, WayProbes
from xyfleet.supervisor.supervision.ways import Ways
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason

TICK: Final = 0.5


class OutageRecovery:
    """The shell around `OutageWatch`."""

    def __init__(
        self,
        members: Mapping[str, SupervisedAccount],
        probe: Probe,
        note: Callable[[str | None, EventKind, str, dict[str, object]], None],
        hurry: Callable[[], None],
        keep: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            keep: Called a moment after there is something else to remember of the outages (`outage_memory`).
        """
        self.watch = OutageWatch()
        self._keep = keep
        self._to_keep = False
        self._was_down: dict[str, Cause] = {}
        """Who was down when the supervisor before ended, and was not met yet."""
        self._members = members
        self._probes = WayProbes(probe)
        self._note = note
        self._hurry = hurry
        """Ends the pauses between token calls that failed."""
        self._doubt = LoginDoubt()
        self._doubtful: set[str] = set()
        """Whose logins wait for it."""
        self._ways = Ways()
        self._news = GateNews(members, self.gates, self._probes.unwait)

    async def pass_reach(self, member: SupervisedAccount) -> None:
        """Wait until no outage holds the account's dials back."""
        await self._news.until(member, lambda: not self.holds(member))

    async def pass_login(self, member: SupervisedAccount) -> None:
        """Wait until no outage holds the account's token calls back."""
        await self._news.until(member, lambda: not any(self.gates(member)))

    async def pass_doubt(self, member: SupervisedAccount) -> None:
        """Wait, for a while, until it is clear whether the account's dead login is everybody's."""
        end = time.monotonic() + DOUBT
        try:
            while self._in_doubt(member) and time.monotonic() < end:
                self._doubtful.add(member.name)
                await asyncio.sleep(TICK)
        finally:
            self._doubtful.discard(member.name)

    def waits(self) -> dict[str, Reason]:
        """Return whose dead logins wait for what the others are told."""
        return {name: Reason("wait_doubt") for name in self._doubtful}

    def _in_doubt(self, member: SupervisedAccount) -> bool:
        """Whether others' answers are to be waited for; an operator does not, nor does who goes ahead for all."""
        exempt = member.condition.asked or self.watch.canaries.of(member.name)
        proxy, now = member.account.proxy, time.monotonic()
        taken = any(self.watch.takes_logins(scope, now) for scope in (proxy, PLATFORM))
        return not exempt and not taken and self._doubt.doubts(proxy)

    def gates(self, member: SupervisedAccount) -> tuple[bool, bool]:
        """Return whether outages hold the account's dials back now, and its token calls and logins."""
        return self.watch.gates(member.name, member.account.proxy)

    def holds(self, member: SupervisedAccount) -> bool:
        """Whether an outage holds the account's dials back now."""
        return self.gates(member)[0]

    def stands(self, member: SupervisedAccount) -> None:
        """Look at an account whose condition has changed."""
        self._ways.goes(member)
        self._note_new_login(member)
        it, now = member.condition, time.monotonic()
        helpless = it.person == "no_hook" and it.user
        if it.wish is not Wish.RUN or it.login is Login.HELD or (it.login is Login.PERSON and not helpless):
            self._leaves(member.name, now)
            return
        cause = None if it.up or not member.was_down else it.cause
        self._doubt.stands(member.name, member.account.proxy, _standing(it.up, cause))
        failing = helpless or it.waits_for == "cooldown"
        for outage in self.watch.stands(member.name, member.account.proxy, cause, now, failing=failing):
            self._begun(outage, None)
        if member.just_connected:
            self._doubt.got_in(member.account.proxy)
            for outage in self.watch.ended_by(member.name):
                self._over(outage, Reason("somebody_connected", {"name": member.name}), now)
        elif not it.up:
            self._look_at_canary(member, now, hopeless=helpless or it.waits_for in ("cooldown", "proxy"))

    def _note_new_login(self, member: SupervisedAccount) -> None:
        if member.new_login:
            self.watch.let_pass(member.name)
            self._news.tell(member)
        elif member.just_connected or member.failed_again:
            self.watch.tried(member.name)

    def restore(self, outages: Iterable[Outage], down: Mapping[str, Cause], went_ahead: Iterable[str]) -> None:
        """Go on with the outages in which the supervisor before ended; before any account comes."""
        self.watch.outages |= {(each.scope, each.group): each for each in outages}
        self.watch.canaries.remember(went_ahead)
        self._was_down = dict(down)

    def was_down(self, name: str) -> Cause | None:
        """Return for what an account that comes was down when the supervisor before ended. Asked once."""
        return self._was_down.pop(name, None)

    def end(self) -> None:
        """The supervisor ends: what is known now is kept; that all accounts leave changes nothing in it."""
        self._keep()

    def joins(self, member: SupervisedAccount) -> None:
        """The account begins."""
        self.stands(member)
        self._news.tell(member)

    def moved(self, member: SupervisedAccount) -> None:
        """The account goes another way now: what was lost on the old one says nothing."""
        member.was_down = False
        self.joins(member)

    def leave(self, name: str) -> None:
        """The account is gone for good, or all that was known about it."""
        self._leaves(name, time.monotonic())
        self.watch.forget(name)
        if name not in self._members:
            self._ways.leaves(name)
            self._news.forget(name)

    def token_given(self, member: SupervisedAccount) -> None:
        """An account got a new token: logins are taken, whoever else can't log in."""
        self._doubt.got_in(member.account.proxy)
        self.watch.somebody_got_in()

    def up_to_date(self, member: SupervisedAccount) -> None:
        """Tell an account of its gates before it acts: of many, some are told a moment after an outage has begun."""
        self._news.tell(member)

    async def look_whose_trouble(self, member: SupervisedAccount, cause: Cause) -> None:
        """An account is FAILED: begin an outage when a probe over its way is not answered."""
        if GROUPS.get(cause) is not Group.REACH or self.holds(member):
            return
        silent = await self._probes.ask(member.name, member.account.proxy, lambda: self.holds(member))
        if silent is not None:
            outage = self.watch.silent(member.name, time.monotonic())
            if outage is not None:
                self._begun(outage, silent)

    async def run(self) -> None:
        """Probe and send canaries for ever."""
        self._was_down.clear()
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            for outage in self.watch.empty():
                self._over(outage, Reason("nobody_down"), now)
            for outage in sorted(self.watch.outages.values(), key=lambda each: each.next_try):
                if outage.group is Group.REACH:
                    # While all ways are silent it is enough to ask for the platform.
                    if outage.scope is PLATFORM or (PLATFORM, Group.REACH) not in self.watch.outages:
                        self._try_ways(outage, now)
                elif outage.canary is None:
                    self._send_canary(outage, now)
                elif now - outage.canary_since > CANARY_PATIENCE:
                    held = outage.canary in self._members and self.holds(self._members[outage.canary])
                    self._come_back(outage, now, failed=not held)
            if self._to_keep:
                self._to_keep = False
                self._keep()

    # Probes.

    def _try_ways(self, outage: Outage, now: float) -> None:
        """Probe over a way of the scope; of the platform's, over each in turn."""
        if now < outage.next_try:
            return
        ways = self._ways.of(outage.scope)
        way = ways[int(now / PROBE_EVERY) % len(ways)]
        if self._probes.ask_now(way, lambda silent: self._answered(outage, silent)):
            outage.next_try = now + PROBE_EVERY

    def _answered(self, outage: Outage, silent: Reason | None) -> None:
        if silent is None:
            self._over(outage, Reason("endpoint_answers"), time.monotonic())

    # Canaries.

    def _send_canary(self, outage: Outage, now: float) -> None:
        if now < outage.next_try or self.watch.rests(outage):
            return
        name = self.watch.canaries.choose(m.name for m in self._members.values() if self._could_go(m, outage))
        if name is not None:
            self.watch.canaries.send(outage, name, now)
            self._to_keep = True
            self._note(name, "outage", "canary", {})
            self._news.tell_name(name)

    def _could_go(self, member: SupervisedAccount, outage: Outage) -> bool:
        it = member.condition
        wanted = it.wish is Wish.RUN and not it.up and it.login not in (Login.PERSON, Login.HELD)
        wanted = wanted and it.waits_for != "cooldown" and not self.holds(member)
        return wanted and self.watch.in_scope(outage, member.account.proxy) and member.was_down

    def _look_at_canary(self, member: SupervisedAccount, now: float, *, hopeless: bool) -> None:
        """That its login is dead is what a canary goes ahead with: it logs in, once in its turn."""
        it = member.condition
        for outage in self.watch.canaries.of(member.name):
            if it.login is Login.HOOK_RUNNING and not outage.logged_in:
                outage.logged_in = True
                self._to_keep = True
            if hopeless or (member.failed_again and (it.cause is not Cause.AUTH or outage.logged_in)):
                self._come_back(outage, now, failed=True)

    def _come_back(self, outage: Outage, now: float, *, failed: bool) -> None:
        name = outage.canary
        self.watch.canaries.came_back(outage, now, failed=failed)
        self._to_keep = True
        if name is not None:
            self._news.tell_name(name)

    def _leaves(self, name: str, now: float) -> None:
        for outage in self.watch.canaries.of(name):
            self._come_back(outage, now, failed=False)
        self.watch.leaves(name)
        self._doubt.leaves(name)
        self._news.ring(name)

    # Begin and end.

    def _begun(self, outage: Outage, reason: Reason | None) -> None:
        facts: dict[str, object] = {"cause": outage.cause, "accounts": outage.accounts, "reason": reason}
        self._note(None, "outage", "begun", facts)
        self.watch.take_over(outage, time.monotonic())
        self._to_keep = True
        self._news.tell_all(self._ways.accounts(outage.scope))

    def _over(self, outage: Outage, reason: Reason, now: float) -> None:
        if self.watch.outages.get((outage.scope, outage.group)) is not outage:
            return
        self.watch.over(outage, now)
        self._to_keep = True
        self._note(None, "outage", "over", {"reason": reason})
        if outage.group is Group.REACH and outage.cause is not Cause.PLATFORM:  # whoever answers oddly was reached
            self._hurry()
        self._count_anew(outage)
        self._news.tell_all(self._ways.accounts(outage.scope))

    def _count_anew(self, outage: Outage) -> None:
        """Who was down for it is on his way up: only what fails from now on counts."""
        for member in self._ways.accounts(outage.scope):
            mine = GROUPS.get(member.condition.cause) is outage.group
            if mine and (member.account.proxy, outage.group) not in self.watch.outages:
                member.was_down = False
                self.stands(member)


def _standing(up: bool, cause: Cause | None) -> Standing:
    if up:
        return Standing.UP
    return Standing.DEAD if cause is not None and GROUPS.get(cause) is Group.LOGIN else Standing.UNANSWERED
