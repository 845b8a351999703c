"""Who tries for all whose logins are refused, and when the next one may. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xyfleet.supervisor.supervision.outage_values import Outage

CANARY_PATIENCE: Final = 300.0
"""Seconds that a canary may take; after that it counts as silent."""
CANARY_WAIT: Final = (600.0, 7200.0)
"""Between one canary that failed and the next, doubling."""
NEXT_CANARY: Final = 60.0
"""After a canary that says nothing: it turned out to need a person, or was stopped."""


def ended(outage: Outage, now: float, *, failed: bool) -> None:
    """A canary's turn has ended without an end of the outage: say when the next one goes."""
    if failed:
        outage.next_try = now + outage.canary_wait
        outage.canary_wait = min(2 * outage.canary_wait, CANARY_WAIT[1])
    else:
        outage.next_try = now + NEXT_CANARY


class CanaryTurns:
    """One canary at a time for each outage. Every call costs O(1), but for `choose`."""

    def __init__(self) -> None:
        self._ahead: dict[str, list[Outage]] = {}
        """The canaries."""
        self._sent: dict[str, int] = {}
        """Which canary in the fleet's life an account was last."""
        self._last_sent = 0

    def choose(self, ready: Iterable[str]) -> str | None:
        """Choose who goes ahead among those who could: who never did, else who did so the longest ago."""
        return min(ready, key=lambda name: self._sent.get(name, 0), default=None)

    def send(self, outage: Outage, name: str, now: float) -> None:
        """`name` goes ahead."""
        outage.canary, outage.canary_since, outage.logged_in = name, now, False
        self._ahead.setdefault(name, []).append(outage)
        self._last_sent += 1
        self._sent[name] = self._last_sent

    def of(self, name: str) -> list[Outage]:
        """Return the outages for which an account goes ahead."""
        return list(self._ahead.get(name, ()))

    def came_back(self, outage: Outage, now: float, *, failed: bool) -> None:
        """The canary is not CONNECTED: it failed, or says nothing. The next one goes later."""
        self.call_back(outage)
        ended(outage, now, failed=failed)

    def call_back(self, outage: Outage) -> None:
        """Nobody goes ahead for this outage now."""
        if outage.canary is not None:
            ahead = [each for each in self._ahead.pop(outage.canary) if each is not outage]
            if ahead:
                self._ahead[outage.canary] = ahead
            outage.canary = None

    def went(self) -> list[str]:
        """Return who went ahead, whose turn was last at the end."""
        return sorted(self._sent, key=lambda name: self._sent[name])

    def remember(self, went: Iterable[str]) -> None:
        """Let the turns go on after those whom a supervisor before sent."""
        self._sent = {name: number for number, name in enumerate(went, start=1)}
        self._last_sent = len(self._sent)

    def forget(self, name: str) -> None:
        """There is no such account any more."""
        self._sent.pop(name, None)
