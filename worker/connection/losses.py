"""What failed attempts and lost connections add up to: the cause that counts, the next delay, and the end. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from xyfleet.worker.causes import FATAL, UNACKED, Cause, ConnectionLost
from xyfleet.worker.clock import Timing
from xyfleet.worker.connection.backoff import delay
from xyfleet.worker.connection.kickouts import KickOuts
from xyfleet.worker.connection.session import KickedOut
from xyfleet.worker.reasons import Reason
from xyfleet.worker.settings import Cycle


class Consequence(NamedTuple):
    """What follows from a loss."""

    lost: ConnectionLost
    """The loss, with the cause that counts."""
    failures: int
    """In a row, with this one."""
    delay: float
    """Seconds until the next attempt."""
    exhausted: bool
    """Whether there is none."""


class Losses:
    """One account's. `random` returns a number from 0 to 1."""

    def __init__(self, pace: Timing, random: Callable[[], float]) -> None:
        self._pace = pace
        self._random = random
        self._kick_outs = KickOuts(pace.kick_limit, pace.kick_window)
        self._unstored = 0
        """Connections in a row that ended while nothing could be stored."""

    def add(
        self, lost: ConnectionLost, failures: int, cycle: Cycle, unstored: Reason | None, now: float
    ) -> Consequence:
        """
        Return what follows.

        Args:
            failures: In a row, before this one.
            unstored: Why messages can't be stored; None = they can.
            now: Monotonic seconds.
        """
        lost = self._blame_the_disk(self._blame_a_rival(lost, now), unstored)
        failures += lost.cause is not Cause.STORAGE
        exhausted = lost.cause in FATAL or failures >= cycle.max_connection_failures
        return Consequence(
            lost, failures, delay(cycle.retry, lost.cause, failures + self._unstored, self._random), exhausted
        )

    def forget(self) -> None:
        """Begin to count kick-outs anew."""
        self._kick_outs.clear()

    def _blame_a_rival(self, lost: ConnectionLost, now: float) -> ConnectionLost:
        if not (isinstance(lost, KickedOut) and self._kick_outs.add(now)):
            return lost
        pace = self._pace
        often = Reason("kicked_out_often", {"count": pace.kick_limit, "seconds": pace.kick_window})
        return ConnectionLost(Cause.RIVAL, often)

    def _blame_the_disk(self, lost: ConnectionLost, unstored: Reason | None) -> ConnectionLost:
        """What ends while nothing is stored, and so nothing acked, is no failure of the account: no login helps."""
        if unstored is None or lost.cause not in UNACKED or isinstance(lost, KickedOut):
            self._unstored = 0
            return lost
        self._unstored += 1
        return ConnectionLost(Cause.STORAGE, Reason("unstored", {"of": lost.reason, "words": unstored}))
