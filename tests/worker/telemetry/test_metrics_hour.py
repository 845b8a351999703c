"""The four metrics over the last hour: a bad hour is seen after a week, and is forgotten an hour later."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.ipc.figures import HourFigures
from xyfleet.worker.telemetry.metrics import HOUR, STEP, Metrics

BEAT = 15.0


class Life:
    """A worker's life: beats every 15 s, the figures asked for at each."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.now = 0.0

    def beats(self, seconds: float, *, answered: bool = True, rtt: float = 0.06) -> HourFigures:
        """Live on for a while; return the last hour's figures."""
        end = self.now + seconds
        while self.now < end:
            self.now += BEAT
            self.metrics.beats_due(1)
            self.metrics.beat_sent(self.now)
            if answered:
                self.metrics.beats_answered(1, rtt, self.now)
            else:
                self.metrics.beats_expired(1)
            self.metrics.window(self.now)
        return self.metrics.window(self.now).hour


def test_a_young_worker_shows_its_life() -> None:
    """Before an hour is over the hour is the life."""
    life = Life()
    hour = life.beats(600)
    window = life.metrics.window(life.now)

    assert (hour.sent, hour.answered, hour.due, hour.expired) == (40, 40, 40, 0)
    assert (hour.rtt_mean, hour.rtt_p95, hour.best_streak) == (60.0, 60.0, 40)
    assert (window.sent, window.answered, window.best_streak) == (40, 40, 40)


def test_a_bad_hour_after_a_week() -> None:
    """The life hides it, the hour shows it; and it is gone an hour and a step later."""
    life = Life()
    life.beats(7 * 86_400.0)
    life.beats(1800, answered=False)
    bad = life.beats(600, rtt=0.5)
    window = life.metrics.window(life.now)

    assert window.answered / (window.answered + window.expired) > 0.99
    assert bad.expired == 120
    assert bad.answered / (bad.answered + bad.expired) < 0.6
    assert bad.rtt_p95 == 500.0
    good = life.beats(HOUR + STEP)
    assert (good.expired, good.rtt_p95) == (0, 60.0)
    assert 240 <= good.sent <= (HOUR + STEP) / BEAT
    assert good.best_streak == good.answered


def test_an_hour_offline_has_no_latency() -> None:
    """Unknown is None, not what was known an hour ago."""
    life = Life()
    life.beats(7200)
    life.now += 2 * HOUR

    assert life.metrics.window(life.now).hour == HourFigures()


def test_reconnects_of_the_hour_by_cause() -> None:
    """Each with its cause, for an hour."""
    metrics = Metrics()
    for now, cause in ((0.0, "closed"), (3000.0, "network"), (3100.0, "network")):
        metrics.reconnected(cause, now)

    assert metrics.window(3200.0).hour.reconnects_by_cause == {"closed": 1, "network": 2}
    assert metrics.window(3700.0).hour.reconnects_by_cause == {"network": 2}
    assert metrics.window(3700.0).reconnects_by_cause == {"closed": 1, "network": 2}


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 400)), max_size=20))
def test_the_hour_is_part_of_the_life(spans: list[tuple[bool, int]]) -> None:
    """Whatever happens, no figure of the hour is above that of the life, and none is below zero."""
    life = Life()
    for answered, beats in spans:
        hour = life.beats(beats * BEAT, answered=answered)
        whole = life.metrics.window(life.now)
        for name in ("sent", "answered", "expired", "due", "best_streak"):
            assert 0 <= getattr(hour, name) <= getattr(whole, name)
        assert hour.sent <= (HOUR + STEP) / BEAT + 1
