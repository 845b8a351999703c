"""One connection's pulse: when to beat, which answers count, when the connection is dead. Pure.

Source: rules 1 to 7 of docs/heartbeat.md. Times are seconds of one monotonic clock. A new connection gets a new heart.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

LATE_WAKE: Final = 1.0
"""A verdict that comes this much after its deadline means that the whole process stood still."""
REARM: Final = 1.0
"""The time that a beat gets, once, to have its answer read after such a standstill."""
_ROUNDING: Final = 1e-6
"""Share of an interval by which a grid point may seem to lie ahead because of floating-point rounding."""


class Verdict(Enum):
    """What a look at the heart says."""

    ALIVE = "alive"
    REARMED = "rearmed"
    """The look came far too late to judge by; the beat has a new deadline."""
    DEAD = "dead"


class Answer(NamedTuple):
    """What a response turned out to be."""

    ours: bool
    """Whether it belongs to a beat that still waits."""
    settled: int = 0
    """How many beats it answers: its own and all older ones. None if it was abnormal."""
    rtt: float = 0.0
    """Round trip of its own beat."""


FOREIGN: Final = Answer(ours=False)
ABNORMAL: Final = Answer(ours=True)


class _Beat:
    __slots__ = ("deadline", "rearmed", "sent")

    def __init__(self, sent: float, deadline: float) -> None:
        self.sent = sent
        self.deadline = deadline
        self.rearmed = False


class HeartbeatTracker:
    """Beats on a fixed grid that begins at `now`, each of which must be answered within `timeout`."""

    def __init__(self, interval: float, timeout: float, now: float) -> None:
        self.next_beat = now
        """When the next beat is to be sent."""
        self.failures = 0
        """Failed sends in a row."""
        self.answered = False
        """Whether any beat of this connection was ever answered."""
        self._interval = interval
        self._timeout = timeout
        self._origin = now
        self._planned = 0  # the grid point that `next_beat` stands for
        self._counted = -1  # the last grid point that `come_due` has returned
        self._waiting: dict[str, _Beat] = {}  # in the order of sending
        self._proof: float | None = None  # seconds for the answer to the next beat, which the grid did not ask for
        self._extra = 0
        self._dead = False

    @property
    def deadline(self) -> float | None:
        """When an unanswered beat makes the connection dead; None when nothing waits."""
        beat = self._most_pressing()
        return None if beat is None else beat.deadline

    def come_due(self, now: float) -> int:
        """
        Return how many grid points have come due since the last call, the present one included.

        Those that a late wake slept through are due and never sent: a beat is skipped, not made up for in a burst.
        """
        self._planned = max(self._planned, int((now - self._origin) / self._interval + _ROUNDING))
        fresh = self._planned - self._counted
        self._counted = self._planned
        extra, self._extra = self._extra, 0
        return max(fresh, extra)

    def sent(self, mid: str, now: float) -> None:
        """Note a beat. `now` is from before the write: the write is part of the round trip."""
        timeout = self._timeout if self._proof is None else min(self._timeout, self._proof)
        self._waiting[mid] = _Beat(now, now + timeout)
        self._proof = None
        self.failures = 0
        self._planned = self._counted + 1
        self.next_beat = self._origin + self._planned * self._interval

    def send_failed(self, now: float, retry_delay: float) -> None:
        """Note that the beat that is due could not be written; it is tried again after `retry_delay`."""
        self.failures += 1
        self.next_beat = now + retry_delay

    def prove(self, now: float, within: float) -> None:
        """Have a beat sent at once, beside the grid, which must be answered within so many seconds."""
        self._proof = within
        self._extra = 1
        self.next_beat = now

    def answer(self, mid: str, ok: bool, now: float) -> Answer:
        """Take a response. One that is not a waiting beat's, or comes after the verdict, changes nothing."""
        beat = self._waiting.get(mid)
        if beat is None or self._dead:
            return FOREIGN
        if not ok:
            return ABNORMAL
        self.answered = True
        older = list(self._waiting)
        settled = older[: older.index(mid) + 1]
        for name in settled:
            del self._waiting[name]
        return Answer(True, len(settled), now - beat.sent)

    def judge(self, now: float) -> Verdict:
        """Look at the beat whose time is up first, after all input that was pending has been read."""
        if self._dead:
            return Verdict.DEAD
        beat = self._most_pressing()
        if beat is None or now < beat.deadline:
            return Verdict.ALIVE
        if now - beat.deadline > LATE_WAKE and not beat.rearmed:
            beat.rearmed = True
            beat.deadline = now + REARM
            return Verdict.REARMED
        self._dead = True
        return Verdict.DEAD

    def _most_pressing(self) -> _Beat | None:
        return min(self._waiting.values(), key=lambda beat: beat.deadline, default=None)

    def expired(self, now: float) -> int:
        """Return how many unanswered beats are past their deadline."""
        return sum(beat.deadline <= now for beat in self._waiting.values())

    def retune(self, interval: float, timeout: float, now: float) -> None:
        """Go on with another rhythm: the next beat one new interval from now. Beats that wait keep their deadlines."""
        self._interval = interval
        self._timeout = timeout
        self._origin = now
        self._counted = 0
        self._planned = 1
        self.next_beat = now + interval
