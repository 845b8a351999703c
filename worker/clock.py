"""The durations that no setting changes, and how a sleep of the machine is noticed. Pure (the clocks are given)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """
    Durations in seconds: rules, not settings; values, so that tests can scale time.

    Sources: rules 8, 10 and 12 of docs/heartbeat.md; tickets in docs/decisions.md.
    """

    dial_gap: float = 1.0
    """At least this lies between two dials, whatever the reason."""
    answer_timeout: float = 10.0
    """A supervisor that says nothing at all for so long is not waited for."""
    ask_again: float = 30.0
    """A request that was met with silence for so long may be lost, and is sent once more."""
    fail_open_every: float = 60.0
    """Dials without its permission are at least this far apart."""
    kick_window: float = 600.0
    kick_limit: int = 3
    """So many kick-outs within the window mean that another program holds the account."""
    suspended_after: float = 10.0
    """A jump of the wall clock against the monotonic one that means that the machine slept."""
    leave_within: float = 4.0
    """From the word to leave to the end: the supervisor kills who takes 5."""
    least_for_mail: float = 1.0
    """Of them at least so much is the messages', however long the goodbye to the server took."""


class SuspendDetector:
    """
    Compares the clocks from one look to the next.

    Source: rule 12 of docs/heartbeat.md. The monotonic clock stands still while the machine sleeps, the wall clock does
    not, so their difference jumps ahead. A wall clock that is set back says nothing about sleep.
    """

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float], threshold: float) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._threshold = threshold
        self._drift = wall() - monotonic()

    def slept(self) -> float | None:
        """Return the seconds that the machine slept since the last look, or None when it did not."""
        before = self._drift
        self._drift = self._wall() - self._monotonic()
        jump = self._drift - before
        return jump if jump > self._threshold else None
