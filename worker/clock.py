"""The durations that no setting changes, the server's time, and how sleeps and jumps show. Pure (clocks are given)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

SAMPLES: Final = 5
"""So many of the latest times that the server said count."""
DOUBTFUL: Final = 5.0
"""Seconds by which our clock may be wrong before it is corrected, and a time may be old before it counts as such."""
_EARLIEST, _LATEST = 10**12, 10**13
"""Milliseconds of the years 2001 and 2286: what lies beyond is no time."""
_BOOT: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


def boottime() -> float:
    """Return the seconds of a clock that nobody sets and that runs on while the machine sleeps, where there is one."""
    return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)


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
    lock_every: float = 1.0
    """Between two tries to have the user for itself, among the fleets of this machine."""
    fail_open_every: float = 60.0
    """Dials without its permission are at least this far apart."""
    kick_window: float = 600.0
    kick_limit: int = 3
    """So many kick-outs within the window mean that another program holds the account."""
    suspended_after: float = 10.0
    """A machine that stood still for longer than this has slept."""
    jumped_after: float = 10.0
    """A wall clock that was set by more than this has jumped."""
    jump_deadline: float = 10.0
    """So long a beat may wait for its answer that is sent because the wall clock jumped."""
    leave_within: float = 4.0
    """From the word to leave to the end: the supervisor kills who takes 5."""
    least_for_mail: float = 1.0
    """Of them at least so much is the messages', however long the goodbye to the server took."""
    memory_after: float = 5.0
    """Before its own memory is read for the first time: a millisecond, and a start of a thousand has none to spare."""


class ClockDrift:
    """
    Compares two clocks from one look to the next.

    Source: rule 12 of docs/heartbeat.md. A clock that runs on while the machine sleeps gets ahead of one that stands
    still: that is a sleep. The wall clock gets ahead of, or falls behind, a clock that nobody sets: that is a jump.
    """

    def __init__(self, one: Callable[[], float], other: Callable[[], float], threshold: float) -> None:
        self._one = one
        self._other = other
        self._threshold = threshold
        self._drift = one() - other()

    def moved(self) -> float | None:
        """Return the seconds by which the first clock got ahead since the last look, None when that is not much."""
        before = self._drift
        self._drift = self._one() - self._other()
        jump = self._drift - before
        return jump if abs(jump) > self._threshold else None


class ServerClock:
    """
    The server's time: the median of what it said lately, carried on by a clock that nobody sets.

    Ages of messages, marks of catching up and takeovers go by it, for the times in messages are the server's. Our own
    clock counts until the server said something, and as long as it is within `DOUBTFUL` of the server's.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = boottime) -> None:
        self._wall = wall
        self._steady = steady
        self._registered: float | None = None
        self._samples: deque[float] = deque(maxlen=SAMPLES)
        self._median: float | None = None  # read in the store's thread too

    def registered(self, stamp: int | None) -> None:
        """Take the time (ms) in the answer to a registration: what pushes say that is older was said before."""
        if (sample := self._sample(stamp)) is not None:
            self._registered = sample
            self._take(sample)

    def pushed(self, stamp: int | None) -> None:
        """Take the time (ms) of a push, unless it is a push of earlier that is sent again."""
        sample = self._sample(stamp)
        if sample is not None and (self._registered is None or sample > self._registered - DOUBTFUL):
            self._take(sample)

    @property
    def known(self) -> bool:
        """Whether the server has said its time."""
        return self._median is not None

    def ahead(self) -> float | None:
        """Return the seconds that our clock is ahead of the server's (behind: less than zero); None = it is right."""
        if self._median is None:
            return None
        ahead = self._wall() - (self._median + self._steady())
        return ahead if abs(ahead) > DOUBTFUL else None

    def time(self) -> float:
        """Return the server's time in seconds since the epoch."""
        return self._wall() - (self.ahead() or 0.0)

    def now(self) -> int:
        """Return the server's time in milliseconds since the epoch."""
        return int(self.time() * 1000)

    def exact(self) -> int:
        """Return the server's time in milliseconds as near as it is known, however little our clock is wrong."""
        return int(1000 * (self._wall() if self._median is None else self._median + self._steady()))

    def _take(self, sample: float) -> None:
        self._samples.append(sample)
        self._median = sorted(self._samples)[len(self._samples) // 2]

    def _sample(self, stamp: int | None) -> float | None:
        """Return by how much the server's time is ahead of the steady clock."""
        return None if stamp is None or not _EARLIEST <= stamp < _LATEST else stamp / 1000 - self._steady()
