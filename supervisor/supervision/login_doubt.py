"""Whether a dead login may be everybody's, as long as many others have no answer yet. Pure.

Token calls are paced, so a platform that says "session expired" to all is heard saying it account by account, and it
takes a while until the share is reached that makes an outage (`outage`). Meanwhile the first to hear it would log in.
So a login waits while so many who were not answered yet, and dead logins, are together that share, and nobody of them
has got in since the first one died: the next answers tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from xyfleet.supervisor.supervision.outage_tally import are_many
from xyfleet.supervisor.supervision.outage_values import PLATFORM, Egress, Scope

DOUBT: Final = 120.0
"""Seconds after which a login waits for others' answers no longer."""


class Standing(Enum):
    """How a member stands."""

    UP = auto()
    UNANSWERED = auto()
    """Down, and nothing was said about its login since."""
    DEAD = auto()
    """Its login is dead."""


@dataclass(slots=True)
class _Count:
    members: int = 0
    unanswered: int = 0
    dead: int = 0
    died: bool = False
    """Whether a login died, and nobody got in since."""


class LoginDoubt:
    """Hears how each account stands. Every call costs O(1)."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Egress, Standing]] = {}
        self._counts: dict[Scope, _Count] = {}

    def stands(self, name: str, egress: Egress, standing: Standing) -> None:
        """Note how a member stands."""
        before = self._seen.get(name)
        if before == (egress, standing):
            return
        self.leaves(name)
        self._seen[name] = egress, standing
        self._count(egress, standing, +1)
        if standing is Standing.DEAD:
            for scope in (egress, PLATFORM):
                self._counts[scope].died = True

    def leaves(self, name: str) -> None:
        """The account is no member now."""
        if name in self._seen:
            self._count(*self._seen.pop(name), -1)

    def got_in(self, egress: Egress) -> None:
        """An account of this egress got a new token, or connected: logins are taken."""
        for scope in (egress, PLATFORM):
            if scope in self._counts:
                self._counts[scope].died = False

    def doubts(self, egress: Egress) -> bool:
        """Whether a dead login of this egress may be everybody's."""
        return any(self._doubts(self._counts[scope]) for scope in (egress, PLATFORM) if scope in self._counts)

    def _doubts(self, count: _Count) -> bool:
        maybe = count.unanswered + count.dead
        return count.died and count.unanswered > 0 and are_many(maybe, count.members)

    def _count(self, egress: Egress, standing: Standing, by: int) -> None:
        for scope in (egress, PLATFORM):
            count = self._counts.setdefault(scope, _Count())
            count.members += by
            count.unanswered += by * (standing is Standing.UNANSWERED)
            count.dead += by * (standing is Standing.DEAD)
            if not count.members:
                del self._counts[scope]
