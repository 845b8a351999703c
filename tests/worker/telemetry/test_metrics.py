"""The four metrics: what is counted, what is unknown, and how the window slides."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.ipc.figures import HeartbeatFigures
from xyfleet.worker.telemetry.metrics import HOUR, ROUND_TRIPS, Metrics


def test_nothing_yet_is_unknown() -> None:
    """Before the first answer times are None, not 0."""
    assert Metrics().window(0.0) == HeartbeatFigures()
    assert Metrics().window(0.0).rtt_mean is None


def test_a_beat_and_its_answer() -> None:
    """A beat counts as due, sent and answered, with its round trip in milliseconds and its wall times."""
    metrics = Metrics()
    metrics.beats_due(1)
    metrics.beat_sent(1000.0)
    metrics.beats_answered(1, 0.0601234, 1000.1)
    window = metrics.window(0.0)

    assert (window.due, window.sent, window.answered, window.expired) == (1, 1, 1, 0)
    assert (window.rtt_last, window.rtt_mean, window.rtt_p95) == (60.123, 60.123, 60.123)
    assert (window.last_sent, window.last_answered) == (1000.0, 1000.1)


def test_older_beats_count_as_answered() -> None:
    """An answer that settles three beats counts three, with one round trip."""
    metrics = Metrics()
    metrics.beats_answered(3, 0.05, 1.0)
    window = metrics.window(0.0)

    assert (window.answered, window.streak, window.rtt_last) == (3, 3, 50.0)


def test_streak_ends_with_every_kind_of_failure() -> None:
    """A failed send, an abnormal answer, an expired beat and a lost connection each end the row; the best stays."""
    fails: list[Callable[[Metrics], None]] = [
        lambda metrics: metrics.beat_failed(),
        lambda metrics: metrics.answer_abnormal(),
        lambda metrics: metrics.beats_expired(1),
        lambda metrics: metrics.lost(),
    ]
    for fail in fails:
        metrics = Metrics()
        metrics.beats_answered(5, 0.1, 0.0)
        fail(metrics)
        metrics.beats_answered(2, 0.1, 0.0)
        window = metrics.window(0.0)

        assert (window.streak, window.best_streak) == (2, 5)


def test_failures_are_counted_apart() -> None:
    """Expired beats and abnormal answers have their own counters, pushes too."""
    metrics = Metrics()
    metrics.beats_expired(2)
    metrics.answer_abnormal()
    metrics.push_acked()
    window = metrics.window(0.0)

    assert (window.expired, window.abnormal, window.pushes) == (2, 1, 1)


def test_reconnects_by_cause_and_hour() -> None:
    """Reconnects add up by cause; those older than an hour leave the window and stay in the total."""
    metrics = Metrics()
    metrics.reconnected("closed", 0.0)
    metrics.reconnected("heartbeat", 1800.0)
    metrics.reconnected("closed", 3000.0)

    assert metrics.window(3599.0).reconnects_last_hour == 3
    assert metrics.window(HOUR).reconnects_last_hour == 2
    window = metrics.window(1e6)
    assert (window.reconnects, window.reconnects_last_hour) == (3, 0)
    assert window.reconnects_by_cause == {"closed": 2, "heartbeat": 1}


def test_reports_do_not_share_their_dict() -> None:
    """A report that waits is not changed by what happens after it."""
    metrics = Metrics()
    metrics.reconnected("closed", 0.0)
    window = metrics.window(0.0)
    metrics.reconnected("closed", 1.0)

    assert window.reconnects_by_cause == {"closed": 1}


@given(st.lists(st.floats(0, 30), min_size=1, max_size=3 * ROUND_TRIPS))
def test_mean_and_p95_of_the_latest(times: list[float]) -> None:
    """Mean and p95 are those of the latest round trips only; at least 95 % of them don't exceed p95."""
    metrics = Metrics()
    for time in times:
        metrics.beats_answered(1, time, 0.0)
    window = metrics.window(0.0)
    latest = [time * 1000 for time in times[-ROUND_TRIPS:]]

    assert window.rtt_mean is not None
    assert window.rtt_p95 is not None
    assert abs(window.rtt_mean - statistics.fmean(latest)) < 0.01
    assert sum(time <= window.rtt_p95 + 0.001 for time in latest) >= 0.95 * len(latest)
    assert sum(time < window.rtt_p95 - 0.001 for time in latest) < 0.95 * len(latest)
