"""Is it one account, or is it everybody? Outages by egress and of the platform. Pure.

An outage begins when at least 3 members of a scope, and at least 30 % of them, are down now for one group of causes.
The scope of an egress is the accounts that go out by it; the platform's is all of them, when two egresses or more are
hit. Members are accounts that are wanted and wait for no person and no hold. Down is who lost his connection and has
none since: so in a quiet fleet three dead logins are three of all, not three of three.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from xyfleet.worker.causes import Cause

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
    canary_wait: float = CANARY_WAIT[0]
    tried: set[str] = field(default_factory=set)
    """Who was the canary in this round."""


@dataclass(slots=True)
class _Seen:
    egress: Egress
    group: Group | None
    cause: Cause | None


@dataclass(slots=True)
class _Count:
    members: int = 0
    down: Counter[Group] = field(default_factory=Counter)


class OutageWatch:
    """Hears how each account stands, and says which scopes are in trouble. Every call costs O(1)."""

    def __init__(self) -> None:
        self.outages: dict[tuple[Scope, Group], Outage] = {}
        self._seen: dict[str, _Seen] = {}
        self._counts: dict[Scope, _Count] = {}
        self._ended: dict[tuple[Scope, Group], tuple[float, float]] = {}
        """When an outage of a scope ended a moment ago, and its probe's first wait."""

    def stands(self, name: str, egress: Egress, cause: Cause | None, now: float) -> list[Outage]:
        """
        Note how a member stands: `cause` of its loss while it is down, None while it is not.

        Returns:
            The outages that begin by it.
        """
        self._count(name, -1)
        self._seen[name] = _Seen(egress, None if cause is None else GROUPS.get(cause), cause)
        self._count(name, +1)
        group = self._seen[name].group
        if group is None:
            return []
        return [self._begin(scope, group, now) for scope in (egress, PLATFORM) if self._is_trouble(scope, group)]

    def leaves(self, name: str) -> None:
        """The account is no member now: stopped, removed, held, or waiting for a person."""
        self._count(name, -1)
        self._seen.pop(name, None)

    def silent(self, name: str, now: float) -> Outage | None:
        """Note that a probe over the account's way was not answered; return the outage that begins by it."""
        seen = self._seen.get(name)
        if seen is None or (seen.egress, Group.REACH) in self.outages:
            return None
        return self._begin(seen.egress, Group.REACH, now)

    def over(self, outage: Outage, now: float) -> None:
        """Its end: a probe was answered, its canary is connected, or nobody is down any more."""
        key = outage.scope, outage.group
        if self.outages.get(key) is outage:
            del self.outages[key]
            self._ended = {k: kept for k, kept in self._ended.items() if now - kept[0] <= BACK_AGAIN}
            self._ended[key] = (now, outage.probe_wait)

    def ended_by(self, name: str) -> list[Outage]:
        """Return the outages that are over because this account is CONNECTED."""
        return [
            each
            for each in self._of(name)
            if each.canary == name or (each.group is Group.LOGIN and each.cause is Cause.REFUSED)
        ]

    def empty(self) -> list[Outage]:
        """Return the outages that hold nobody back any more: whoever was down is up again, or gone."""
        return [each for each in self.outages.values() if not self._counts.get(each.scope, _Count()).down[each.group]]

    def gates(self, name: str, egress: Egress) -> tuple[bool, bool]:
        """Return whether outages hold back this account's dials (reach), and its token calls and logins (login)."""
        mine = [each for key in self._keys(egress) if (each := self.outages.get(key)) is not None]
        held = [each.group for each in mine]
        # Who goes ahead for one scope goes ahead for all of his: two of them would wait for each other.
        ahead = any(each.canary == name for each in mine)
        return Group.REACH in held, Group.LOGIN in held and not ahead

    def in_scope(self, outage: Outage, egress: Egress) -> bool:
        """Whether an account of this egress obeys the outage."""
        return outage.scope in (egress, PLATFORM)

    # Canaries take turns.

    def next_canary(self, outage: Outage, ready: Iterable[str]) -> str | None:
        """Choose who goes ahead among those who could: who was not the canary in this round before."""
        waiting = list(ready)
        fresh = [name for name in waiting if name not in outage.tried]
        if not fresh:
            outage.tried.clear()
            fresh = waiting
        return fresh[0] if fresh else None

    def send(self, outage: Outage, name: str, now: float) -> None:
        """`name` goes ahead."""
        outage.canary, outage.canary_since = name, now
        outage.tried.add(name)

    def came_back(self, outage: Outage, now: float, *, failed: bool) -> None:
        """The canary is not CONNECTED: it failed, or says nothing. The next one goes later."""
        outage.canary = None
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

    def _count(self, name: str, by: int) -> None:
        seen = self._seen.get(name)
        if seen is None:
            return
        for scope in (seen.egress, PLATFORM):
            count = self._counts.setdefault(scope, _Count())
            count.members += by
            if seen.group is not None:
                count.down[seen.group] += by
            if not count.members:
                del self._counts[scope]

    def _is_trouble(self, scope: Scope, group: Group) -> bool:
        count = self._counts[scope]
        down = count.down[group]
        if (scope, group) in self.outages or down < LEAST or down < SHARE * count.members:
            return False
        return scope is not PLATFORM or len({each.egress for each in self._seen.values() if each.group is group}) > 1

    def _begin(self, scope: Scope, group: Group, now: float) -> Outage:
        down = [each for each in self._seen.values() if each.group is group and scope in (each.egress, PLATFORM)]
        causes = Counter(each.cause for each in down if each.cause is not None)
        cause = causes.most_common(1)[0][0] if causes else Cause.NETWORK
        ended, wait = self._ended.get((scope, group), (float("-inf"), PROBE_EVERY))
        wait = min(2 * wait, PROBE_LONGEST) if now - ended <= BACK_AGAIN else PROBE_EVERY
        first = now if group is Group.LOGIN else now + wait
        outage = Outage(scope, group, cause, now, max(1, len(down)), first, wait)
        self.outages[scope, group] = outage
        return outage
