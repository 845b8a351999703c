"""Is it one account, or is it everybody? Outages by egress and of the platform. Pure.

An outage begins when at least 3 members of a scope, and at least 30 % of them, are down now for one group of causes.
The scope of an egress is the accounts that go out by it; the platform's is all of them, when two egresses or more are
hit. Members are accounts that are wanted and wait for no hold, and for no person unless it is for want of a hook. Down
is who lost his connection and has none since: so in a quiet fleet three dead logins are three of all, not three of
three (`outage_tally`).
"""

from __future__ import annotations

from typing import Final

from xyfleet.supervisor.supervision import canary_turns
from xyfleet.supervisor.supervision.canary_turns import CanaryTurns
from xyfleet.supervisor.supervision.outage_tally import OutageTally
from xyfleet.supervisor.supervision.outage_values import PLATFORM, Egress, Group, Outage, Scope
from xyfleet.worker.causes import Cause

PROBE_EVERY: Final = 2.0
PROBE_LONGEST: Final = 120.0
"""The probe's interval doubles up to this while the trouble comes back within `BACK_AGAIN` of its end."""
BACK_AGAIN: Final = 60.0
TAKEN: Final = 3600.0
"""Seconds after a canary's good login in which dead logins are no outage, only failed ones: each mends its own."""


class OutageWatch:
    """Hears how each account stands, and says which scopes are in trouble. Every call costs O(1), but for
    `somebody_got_in`, which costs each failing account one step once."""

    def __init__(self) -> None:
        self.outages: dict[tuple[Scope, Group], Outage] = {}
        self._tally = OutageTally()
        self.canaries = CanaryTurns()
        self._passing: set[str] = set()
        """Who has a new login that was not tried yet."""
        self._ended: dict[tuple[Scope, Group], tuple[float, float]] = {}
        """When an outage of a scope ended a moment ago, and its probe's first wait."""
        self._taken: dict[Scope, float] = {}
        """Until when it is known that the platform takes logins by a scope."""

    def stands(
        self, name: str, egress: Egress, cause: Cause | None, now: float, *, failing: bool = False
    ) -> list[Outage]:
        """
        Note how a member stands: `cause` of its loss while it is down, None while it is not.

        Args:
            failing: Whether its login can't be mended now: its hook has failed, or there is none.

        Returns:
            The outages that begin by it.
        """
        group = self._tally.stands(name, egress, cause, failing=failing)
        if group is None:
            return []
        return [self._begin(scope, group, now) for scope in (egress, PLATFORM) if self._is_trouble(scope, group, now)]

    def leaves(self, name: str) -> None:
        """The account is no member now: stopped, removed, held, or waiting for a person."""
        self._passing.discard(name)
        self._tally.leaves(name)

    def forget(self, name: str) -> None:
        """There is no such account any more."""
        self.leaves(name)
        self.canaries.forget(name)

    def down(self) -> dict[tuple[Scope, Group], list[str]]:
        """Return who is down, by scope and group; costs one step for each member."""
        return self._tally.names()

    def somebody_got_in(self) -> None:
        """A new token was given: whose login could not be mended before is in a trouble of his own."""
        self._tally.somebody_got_in()

    def silent(self, name: str, now: float) -> Outage | None:
        """Note that a probe over the account's way was not answered; return the outage that begins by it."""
        seen = self._tally.seen.get(name)
        if seen is None or (seen.egress, Group.REACH) in self.outages:
            return None
        return self._begin(seen.egress, Group.REACH, now)

    def takes_logins(self, scope: Scope, now: float) -> bool:
        """Whether a canary of this scope logged in a while ago, so that dead logins are each its own."""
        return now < self._taken.get(scope, now)

    def over(self, outage: Outage, now: float) -> None:
        """Its end: a probe was answered, its canary is connected, or nobody is down any more."""
        key = outage.scope, outage.group
        if self.outages.get(key) is outage:
            del self.outages[key]
            self._taken = {scope: until for scope, until in self._taken.items() if until > now}
            canary = None if outage.canary is None else self._tally.seen.get(outage.canary)
            if outage.logged_in and canary is not None and canary.cause is None:
                self._taken |= dict.fromkeys((outage.scope, canary.egress), now + TAKEN)
            self.canaries.call_back(outage)
            self._ended = {k: kept for k, kept in self._ended.items() if now - kept[0] <= BACK_AGAIN}
            self._ended[key] = (now, outage.probe_wait)

    def ended_by(self, name: str) -> list[Outage]:
        """
        Return the outages that are over because this account is CONNECTED.

        A canary ends the platform's and, if there is one, all ways': it went ahead for all of them, and whoever is
        still refused by his way fails again.
        """
        mine = [each for each in self._of(name) if each.group is Group.LOGIN]
        if not self.canaries.of(name):
            return [each for each in mine if each.cause is Cause.REFUSED]
        if (PLATFORM, Group.LOGIN) not in self.outages:
            return mine
        return [each for each in self.outages.values() if each.group is Group.LOGIN]

    def empty(self) -> list[Outage]:
        """Return the outages that hold nobody back any more: whoever was down is up again, or gone."""
        return [each for each in self.outages.values() if not self._tally.down(each.scope, each.group)]

    def gates(self, name: str, egress: Egress) -> tuple[bool, bool]:
        """Return whether outages hold back this account's dials (reach), and its token calls and logins (login)."""
        mine = [each for key in self._keys(egress) if (each := self.outages.get(key)) is not None]
        held = [each.group for each in mine]
        # Who goes ahead for one scope goes ahead for all of his: two of them would wait for each other.
        ahead = name in self._passing or any(each.canary == name for each in mine)
        return Group.REACH in held, Group.LOGIN in held and not ahead

    def let_pass(self, name: str) -> None:
        """The account has a new login: what is said of the others' says nothing about it, until it fails too."""
        self._passing.add(name)

    def tried(self, name: str) -> None:
        """It connected, or failed."""
        self._passing.discard(name)

    def in_scope(self, outage: Outage, egress: Egress) -> bool:
        """Whether an account of this egress obeys the outage."""
        return outage.scope in (egress, PLATFORM)

    # Of the platform and of ways.

    def rests(self, outage: Outage) -> bool:
        """Whether a way sends no canary of its own: the platform's goes for all."""
        return outage.scope is not PLATFORM and (PLATFORM, outage.group) in self.outages

    def take_over(self, begun: Outage, now: float) -> None:
        """
        An outage begins. If it is the platform's, one of those who go ahead for their ways goes on for all, first of
        all one who logs in already; the others come back, but for those: their logins are paid for.
        """
        out = {each.canary: each for each in self.outages.values() if self.rests(each) and each.canary is not None}
        if begun.scope is not PLATFORM or not out:
            return
        first = max(out, key=lambda name: out[name].logged_in)
        self.canaries.send(begun, first, now)
        begun.logged_in = out[first].logged_in
        for name, each in out.items():
            if name != first and not each.logged_in:
                self.canaries.call_back(each)

    # The inside.

    def _keys(self, egress: Egress) -> list[tuple[Scope, Group]]:
        return [(scope, group) for scope in (egress, PLATFORM) for group in Group]

    def _of(self, name: str) -> list[Outage]:
        seen = self._tally.seen.get(name)
        if seen is None:
            return []
        return [each for key in self._keys(seen.egress) if (each := self.outages.get(key)) is not None]

    def _is_trouble(self, scope: Scope, group: Group, now: float) -> bool:
        if (scope, group) in self.outages:
            return False
        taken = group is Group.LOGIN and self.takes_logins(scope, now)
        down = self._tally.helpless(scope) if taken else self._tally.down(scope, group)
        return self._tally.are_everybody(down, scope, group)

    def _begin(self, scope: Scope, group: Group, now: float) -> Outage:
        ended, wait = self._ended.get((scope, group), (float("-inf"), PROBE_EVERY))
        wait = min(2 * wait, PROBE_LONGEST) if now - ended <= BACK_AGAIN else PROBE_EVERY
        outage = self.outages[scope, group] = Outage(
            scope=scope,
            group=group,
            cause=self._tally.main_cause(scope, group),
            since=now,
            accounts=max(1, self._tally.down(scope, group)),
            next_try=now if group is Group.LOGIN else now + wait,
            probe_wait=wait,
            canary_wait=canary_turns.CANARY_WAIT[0],
        )
        return outage
