"""How many members of each scope are down, and for what. Pure.

Down is who lost his connection and has none since. Whose hook failed, or who has none, is down like the others until
any account gets a new token after it: logins are taken then, and his trouble is his own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from xyfleet.supervisor.supervision.outage_values import GROUPS, PLATFORM, Egress, Group, Scope
from xyfleet.worker.causes import Cause

LEAST: Final = 3
SHARE: Final = 0.3
"""So many at least, and this share of a scope's members, are no chance."""


def are_many(number: int, members: int) -> bool:
    """Say whether so many of so many members are no chance."""
    return number >= LEAST and number >= SHARE * members


@dataclass(slots=True)
class Seen:
    """How a member stood last."""

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


class OutageTally:
    """Hears how each account stands. Every call costs O(1), but for `somebody_got_in` and `helpless`, which cost each
    failing account one step, and `names`."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        """The members."""
        self._counts: dict[Scope, _Count] = {}
        self._failing: set[str] = set()
        """Who is down for a login that nobody could mend, and nobody got in since."""
        self._own: set[str] = set()
        """Who is so although somebody else got in after it."""

    def stands(self, name: str, egress: Egress, cause: Cause | None, *, failing: bool) -> Group | None:
        """Note how a member stands (`OutageWatch.stands`); return for what it is down like others may be."""
        group = None if cause is None else GROUPS.get(cause)
        if group is not Group.LOGIN:
            self._forgive(name)
        elif failing and name not in self._own:
            self._failing.add(name)
        self._put(name, Seen(egress, None if name in self._own else group, cause))
        return self.seen[name].group

    def leaves(self, name: str) -> None:
        """The account is no member now."""
        self._forgive(name)
        self._count(name, -1)
        self.seen.pop(name, None)

    def somebody_got_in(self) -> None:
        """A new token was given: whose login could not be mended before is in a trouble of his own."""
        failing, self._failing = self._failing, set()
        self._own |= failing
        for name in failing:
            seen = self.seen[name]
            self._put(name, Seen(seen.egress, None, seen.cause))

    def down(self, scope: Scope, group: Group) -> int:
        """Return how many of a scope are down for causes of a group."""
        count = self._counts.get(scope)
        return 0 if count is None else count.down[group]

    def names(self) -> dict[tuple[Scope, Group], list[str]]:
        """Return who is down, by scope and group; costs one step for each member."""
        found: dict[tuple[Scope, Group], list[str]] = {}
        for name, it in self.seen.items():
            if it.group is not None:
                for scope in (it.egress, PLATFORM):
                    found.setdefault((scope, it.group), []).append(name)
        return found

    def helpless(self, scope: Scope) -> int:
        """Return how many of a scope have logins that nobody could mend, and nobody got in since."""
        return sum(scope in (self.seen[name].egress, PLATFORM) for name in self._failing)

    def are_everybody(self, number: int, scope: Scope, group: Group) -> bool:
        """Say whether so many who are down are an outage of their scope; the platform's is one of several ways."""
        count = self._counts[scope]
        return are_many(number, count.members) and (scope is not PLATFORM or count.ways[group] > 1)

    def main_cause(self, scope: Scope, group: Group) -> Cause:
        """Return for what most of a scope are down."""
        causes = self._counts[scope].causes.items()
        found = [(number, cause) for cause, number in causes if GROUPS[cause] is group and number > 0]
        return max(found, key=lambda each: each[0])[1] if found else Cause.NETWORK

    def _forgive(self, name: str) -> None:
        self._failing.discard(name)
        self._own.discard(name)

    def _put(self, name: str, seen: Seen) -> None:
        self._count(name, -1)
        self.seen[name] = seen
        self._count(name, +1)

    def _count(self, name: str, by: int) -> None:
        seen = self.seen.get(name)
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
