"""The four metrics of one account: success rate, latency, stability, reconnects. Pure.

Counters run over the life of the worker, and beside it over a sliding window of an hour: what a counter grew by since
it was noted an hour ago. It is noted every five minutes, by whoever asks for the figures. Unknown is None.
The rates themselves are made of these figures by whoever shows them (docs/heartbeat.md, the four metrics).
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from xyfleet.worker.ipc.figures import HeartbeatFigures, HourFigures

ROUND_TRIPS: Final = 100
"""Of this many latest round trips mean and p95 are told: 25 minutes at the default interval."""
HOUR: Final = 3600.0
STEP: Final = 300.0
"""Seconds between two notes of the counters: how exact the hour is."""
_KEPT: Final = 240
"""Round trips that are kept: an hour at the default interval."""


class _Note(NamedTuple):
    """How the counters stood at a moment."""

    time: float
    sent: int = 0
    answered: int = 0
    expired: int = 0
    due: int = 0
    timed: int = 0
    """Round trips so far."""
    best: int = 0
    """Best row since the note before."""


class Metrics:
    """Counts what happens. `now` is monotonic, `wall` is seconds since the epoch; both only where they are needed."""

    def __init__(self) -> None:
        self._due = self._sent = self._answered = self._expired = self._abnormal = self._pushes = 0
        self._streak = self._best_streak = self._latest_best = self._timed = 0
        self._round_trips = array("d")
        self._asked = _Note(float("-inf"))  # how all stood when somebody asked last
        self._notes: deque[_Note] = deque([self._asked])
        self._last_sent: float | None = None
        self._last_answered: float | None = None
        self._reconnects = 0
        self._by_cause: dict[str, int] = {}
        self._last_hour: deque[tuple[float, str]] = deque()

    def beats_due(self, count: int) -> None:
        """Count grid points that came due."""
        self._due += count

    def beat_sent(self, wall: float) -> None:
        """Count a beat that was written."""
        self._sent += 1
        self._last_sent = wall

    def beats_answered(self, count: int, rtt: float, wall: float) -> None:
        """Count `count` beats as answered, the last of them after `rtt` seconds."""
        self._answered += count
        self._streak += count
        self._best_streak = max(self._best_streak, self._streak)
        self._latest_best = max(self._latest_best, self._streak)
        self._timed += 1
        self._round_trips.append(rtt * 1000)
        del self._round_trips[:-_KEPT]
        self._last_answered = wall

    def beat_failed(self) -> None:
        """Note a beat that could not be sent."""
        self._streak = 0

    def answer_abnormal(self) -> None:
        """Count a non-200 or malformed answer to a beat."""
        self._abnormal += 1
        self._streak = 0

    def beats_expired(self, count: int) -> None:
        """Count beats whose deadline passed unanswered."""
        self._expired += count
        self._streak = 0

    def push_acked(self) -> None:
        """Count a push that was acked."""
        self._pushes += 1

    def lost(self) -> None:
        """Note the end of a connection: the row of successful beats ends with it."""
        self._streak = 0

    def reconnected(self, cause: str, now: float) -> None:
        """Count a connection that came after one that ended for `cause`."""
        self._reconnects += 1
        self._by_cause[cause] = self._by_cause.get(cause, 0) + 1
        self._last_hour.append((now, cause))

    def window(self, now: float) -> HeartbeatFigures:
        """Return all figures."""
        while self._last_hour and self._last_hour[0][0] <= now - HOUR:
            self._last_hour.popleft()
        times = self._round_trips[-ROUND_TRIPS:]
        return HeartbeatFigures(
            sent=self._sent,
            answered=self._answered,
            expired=self._expired,
            due=self._due,
            abnormal=self._abnormal,
            rtt_last=_rounded(times[-1]) if times else None,
            rtt_mean=_rounded(sum(times) / len(times)) if times else None,
            rtt_p95=_rounded(_p95(times)) if times else None,
            streak=self._streak,
            best_streak=self._best_streak,
            last_sent=self._last_sent,
            last_answered=self._last_answered,
            reconnects=self._reconnects,
            reconnects_last_hour=len(self._last_hour),
            reconnects_by_cause=dict(self._by_cause),
            pushes=self._pushes,
            hour=self._hour(now),
        )

    def _hour(self, now: float) -> HourFigures:
        notes = self._notes
        if now - self._asked.time >= STEP and self._asked.time > notes[-1].time:
            self._note(self._asked)  # nobody asked for long: nothing happened since
        while len(notes) > 1 and notes[1].time <= now - HOUR:
            notes.popleft()
        first = notes[0]
        times = self._round_trips[-(self._timed - first.timed) :] if self._timed > first.timed else array("d")
        answered = self._answered - first.answered
        best = max(self._latest_best, *(note.best for note in list(notes)[1:]), 0)
        causes = [cause for _, cause in self._last_hour]
        figures = HourFigures(
            sent=self._sent - first.sent,
            answered=answered,
            expired=self._expired - first.expired,
            due=self._due - first.due,
            rtt_mean=_rounded(sum(times) / len(times)) if times else None,
            rtt_p95=_rounded(_p95(times)) if times else None,
            best_streak=min(best, answered),
            reconnects_by_cause={cause: causes.count(cause) for cause in dict.fromkeys(causes)},
        )
        counters = (self._sent, self._answered, self._expired, self._due, self._timed)
        self._asked = _Note(now, *counters, self._latest_best)
        if now - notes[-1].time >= STEP:
            self._note(self._asked)
        return figures

    def _note(self, note: _Note) -> None:
        self._notes.append(note)
        self._latest_best = self._streak


def _p95(values: Sequence[float]) -> float:
    """Return the smallest value that at least 95 % of the values don't exceed."""
    rank = -(-len(values) * 95 // 100)
    return sorted(values)[rank - 1]


def _rounded(milliseconds: float) -> float:
    """Return it to the microsecond; more digits only make reports longer."""
    return round(milliseconds, 3)
