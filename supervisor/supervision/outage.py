"""Is it one account, or is it everybody? Outages by egress and of the platform. Pure.

An outage begins when at least 3 members of a scope, and at least 30 % of them, are down now for one group of causes.
The scope of an egress is the accounts that go out by it; the platform's is all of them, when two egresses or more are
hit. Members are accounts that are wanted and wait for no hold, and for no person unless it is for want of a hook. Down
is who lost his connection and has none since: so in a quiet fleet three dead logins are three of all, not three of
three. Whose hook failed, or who has none, is down like the others until any account gets a new token after it: logins
are taken then, and his trouble is his own.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret

LEAST: Final = 3
SHARE: Final = 0.3
PROBE_EVERY: Final = 2.0
PROBE_LONGEST: Final = 120.0
"""The probe's interval doubles up to this while the trouble comes back within `BACK_AGAIN` of its end."""
BACK_AGAIN: Final = 60.0
CANARY_PATIENCE: Final = 300.0
"""Seconds that a canary may take; after that it counts as silent."""
CANARY_WAIT: Final = (600.0, 7200.0)
"""Between one canary that failed and the next, doubling."""
TAKEN: Final = 3600.0
"""Seconds after a canary's good login in which dead logins are no outage, only failed ones: each mends its own."""
NEXT_CANARY: Final = 60.0
"""After a canary that says nothing: it turned out to need a person, or was stopped."""


class Group(StrEnum):
    """Causes that have one remedy."""

    REACH = "reach"
    """The server can't be reached, or turns everybody away: over when a probe is answered."""
    LOGIN = "login"
    """Logins are refused: one account, the canary, tries for all."""


GROUPS: Final[Mapping[Cause, Group]] = {
    Cause.CLOSED: Group.REACH,
    Cause.HEARTBEAT: Group.REACH,
    Cause.NETWORK: Group.REACH,
    Cause.PROTOCOL: Group.REACH,
    Cause.LIMIT: Group.REACH,
    Cause.PLATFORM: Group.REACH,
    Cause.AUTH: Group.LOGIN,
    Cause.REFUSED: Group.LOGIN,
}

Egress = Hashable
"""A proxy's address, or None for the direct way."""


class Platform:
    """The scope of all egresses."""

    def __repr__(self) -> str:
        return "platform"


PLATFORM: Final = Platform()
Scope = Hashable


@dataclass(slots=True)
class Outage:
    """One trouble of one scope."""

    scope: Scope
    group: Group
    cause: Cause
    since: float
    accounts: int
    """How many were down when it began."""
    next_try: float
    """When the next probe or canary is due."""
    probe_wait: float
    canary: str | None = None
    canary_since: float = 0.0
    logged_in: bool = False
    """Whether its canary's login hook has run in this turn."""
    canary_wait: float = field(default_factory=lambda: CANARY_WAIT[0])


@dataclass(slots=True)
class _Seen:
    egress: Egress
    group: Group | None
    """None: it is not down, or for a trouble of its own."""
    cause: Cause | None


@dataclass(slots=True)
class _Count:
    members: int = 0
    down: Counter[Group] = field(default_factory=Counter)
    causes: Counter[Cause] = field(default_factory=Counter)
    """Of those who are down."""
    ways: Counter[Group] = field(default_factory=Counter)
    """The platform's: how many egresses have somebody down."""


def scope_key(scope: Scope) -> str:
    """Return what stands for a scope in a file: nothing that tells a proxy's address or password."""
    if isinstance(scope, Secret):
        return f"proxy-{hashlib.sha256(scope.reveal().encode()).hexdigest()[:16]}"
    return "platform" if scope is PLATFORM else "direct"


class OutageWatch:
    """Hears how each account stands, and says which scopes are in trouble. Every call costs O(1), but for
    `next_canary` and `somebody_got_in`, which costs each failing account one step once."""

    def __init__(self) -> None:
        self.outages: dict[tuple[Scope, Group], Outage] = {}
        self._seen: dict[str, _Seen] = {}
        self._counts: dict[Scope, _Count] = {}
        self._failing: set[str] = set()
        """Who is down for a login that nobody could mend, and nobody got in since."""
        self._own: set[str] = set()
        """Who is so although somebody else got in after it."""
        self._passing: set[str] = set()
        """Who has a new login that was not tried yet."""
        self._ahead: dict[str, list[Outage]] = {}
        """The canaries."""
        self._sent: dict[str, int] = {}
        """Which canary in the fleet's life an account was last."""
        self._last_sent = 0
        self._ended: dict[tuple[Scope, Group], tuple[float, float]] = {}
        """When an outage of a scope ended a moment ago, and its probe's first wait."""
        self._turns: dict[str, tuple[float, float]] = {}
        self._taken: dict[Scope, float] = {}
        """Until when it is known that the platform takes logins by a scope."""

    def remember(self, scope: str, at: float, wait: float, now: float) -> None:
        """Let an outage of logins of this scope (`scope_key`), if it begins again, go on with its canaries' turns."""
        first, longest = CANARY_WAIT
        if now - at < longest:
            self._turns[scope] = (min(at, now + longest), min(max(wait, first), longest))

    def turns(self) -> dict[str, tuple[float, float]]:
        """Return by scope when the next canary of an outage of logins may go, and the wait after that one."""
        logins = (each for each in self.outages.values() if each.group is Group.LOGIN)
        return self._turns | {scope_key(each.scope): (each.next_try, each.canary_wait) for each in logins}

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
        group = None if cause is None else GROUPS.get(cause)
        if group is not Group.LOGIN:
            self._forgive(name)
        elif failing and name not in self._own:
            self._failing.add(name)
        self._put(name, _Seen(egress, None if name in self._own else group, cause))
        group = self._seen[name].group
        if group is None:
            return []
        return [self._begin(scope, group, now) for scope in (egress, PLATFORM) if self._is_trouble(scope, group, now)]

    def leaves(self, name: str) -> None:
        """The account is no member now: stopped, removed, held, or waiting for a person."""
        self._passing.discard(name)
        self._forgive(name)
        self._count(name, -1)
        self._seen.pop(name, None)

    def forget(self, name: str) -> None:
        """There is no such account any more."""
        self.leaves(name)
        self._sent.pop(name, None)

    def somebody_got_in(self) -> None:
        """A new token was given: whose login could not be mended before is in a trouble of his own."""
        failing, self._failing = self._failing, set()
        self._own |= failing
        for name in failing:
            seen = self._seen[name]
            self._put(name, _Seen(seen.egress, None, seen.cause))

    def silent(self, name: str, now: float) -> Outage | None:
        """Note that a probe over the account's way was not answered; return the outage that begins by it."""
        seen = self._seen.get(name)
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
            if outage.logged_in and outage.canary in self._seen and self._seen[outage.canary].cause is None:
                self._taken |= dict.fromkeys((outage.scope, self._seen[outage.canary].egress), now + TAKEN)
            self._call_back(outage)
            self._ended = {k: kept for k, kept in self._ended.items() if now - kept[0] <= BACK_AGAIN}
            self._ended[key] = (now, outage.probe_wait)

    def ended_by(self, name: str) -> list[Outage]:
        """
        Return the outages that are over because this account is CONNECTED.

        A canary ends the platform's and, if there is one, all ways': it went ahead for all of them, and whoever is
        still refused by his way fails again.
        """
        mine = [each for each in self._of(name) if each.group is Group.LOGIN]
        if name not in self._ahead:
            return [each for each in mine if each.cause is Cause.REFUSED]
        if (PLATFORM, Group.LOGIN) not in self.outages:
            return mine
        return [each for each in self.outages.values() if each.group is Group.LOGIN]

    def empty(self) -> list[Outage]:
        """Return the outages that hold nobody back any more: whoever was down is up again, or gone."""
        return [each for each in self.outages.values() if not self._counts.get(each.scope, _Count()).down[each.group]]

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

    def canary_of(self, name: str) -> list[Outage]:
        """Return the outages for which an account goes ahead."""
        return list(self._ahead.get(name, ()))

    def in_scope(self, outage: Outage, egress: Egress) -> bool:
        """Whether an account of this egress obeys the outage."""
        return outage.scope in (egress, PLATFORM)

    # Canaries take turns.

    def next_canary(self, outage: Outage, ready: Iterable[str]) -> str | None:
        """Choose who goes ahead among those who could: who never did, else who did so the longest ago."""
        return min(ready, key=lambda name: self._sent.get(name, 0), default=None)

    def send(self, outage: Outage, name: str, now: float) -> None:
        """`name` goes ahead."""
        outage.canary, outage.canary_since, outage.logged_in = name, now, False
        self._ahead.setdefault(name, []).append(outage)
        self._last_sent += 1
        self._sent[name] = self._last_sent

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
        self.send(begun, first, now)
        begun.logged_in = out[first].logged_in
        for name, each in out.items():
            if name != first and not each.logged_in:
                self._call_back(each)

    def came_back(self, outage: Outage, now: float, *, failed: bool) -> None:
        """The canary is not CONNECTED: it failed, or says nothing. The next one goes later."""
        self._call_back(outage)
        if failed:
            outage.next_try = now + outage.canary_wait
            outage.canary_wait = min(2 * outage.canary_wait, CANARY_WAIT[1])
        else:
            outage.next_try = now + NEXT_CANARY

    # The inside.

    def _keys(self, egress: Egress) -> list[tuple[Scope, Group]]:
        return [(scope, group) for scope in (egress, PLATFORM) for group in Group]

    def _of(self, name: str) -> list[Outage]:
        seen = self._seen.get(name)
        if seen is None:
            return []
        return [each for key in self._keys(seen.egress) if (each := self.outages.get(key)) is not None]

    def _call_back(self, outage: Outage) -> None:
        if outage.canary is not None:
            ahead = [each for each in self._ahead.pop(outage.canary) if each is not outage]
            if ahead:
                self._ahead[outage.canary] = ahead
            outage.canary = None

    def _forgive(self, name: str) -> None:
        self._failing.discard(name)
        self._own.discard(name)

    def _put(self, name: str, seen: _Seen) -> None:
        self._count(name, -1)
        self._seen[name] = seen
        self._count(name, +1)

    def _count(self, name: str, by: int) -> None:
        seen = self._seen.get(name)
        if seen is None:
            return
        for scope in (seen.egress, PLATFORM):
            count = self._counts.setdefault(scope, _Count())
            count.members += by
            if seen.group is not None and seen.cause is not None:
                count.down[seen.group] += by
                count.causes[seen.cause] += by
                if scope is not PLATFORM and count.down[seen.group] == max(by, 0):
                    self._counts.setdefault(PLATFORM, _Count()).ways[seen.group] += by
            if not count.members:
                del self._counts[scope]

    def _is_trouble(self, scope: Scope, group: Group, now: float) -> bool:
        count = self._counts[scope]
        down = count.down[group]
        if group is Group.LOGIN and self.takes_logins(scope, now):
            down = sum(scope in (self._seen[name].egress, PLATFORM) for name in self._failing)
        if (scope, group) in self.outages or down < LEAST or down < SHARE * count.members:
            return False
        return scope is not PLATFORM or count.ways[group] > 1

    def _begin(self, scope: Scope, group: Group, now: float) -> Outage:
        count = self._counts[scope]
        causes = [(number, cause) for cause, number in count.causes.items() if GROUPS[cause] is group and number > 0]
        cause = max(causes, key=lambda each: each[0])[1] if causes else Cause.NETWORK
        ended, wait = self._ended.get((scope, group), (float("-inf"), PROBE_EVERY))
        wait = min(2 * wait, PROBE_LONGEST) if now - ended <= BACK_AGAIN else PROBE_EVERY
        first = now if group is Group.LOGIN else now + wait
        outage = Outage(scope, group, cause, now, max(1, count.down[group]), first, wait)
        if group is Group.LOGIN and (turn := self._turns.pop(scope_key(scope), None)) is not None:
            outage.next_try, outage.canary_wait = max(now, turn[0]), turn[1]
        self.outages[scope, group] = outage
        return outage
