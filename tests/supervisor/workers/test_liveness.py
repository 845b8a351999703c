"""The look at a silent worker: killed only when it is the worker and not the machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.workers.liveness import Verdict, WorkerSigns, judge

SILENT = WorkerSigns(silent_for=25, own_lag=0.0, disk_sleep=False, run_wait=0.0, watched_for=5.0, silent=1, workers=100)


def seen(**differing: object) -> WorkerSigns:
    """Return the look at a plainly hung worker, but for what is given."""
    return WorkerSigns(**{**{name: getattr(SILENT, name) for name in WorkerSigns.__slots__}, **differing})  # type: ignore[arg-type]


def test_worker_that_reports_is_fine() -> None:
    """Silence shorter than the timeout means nothing."""
    assert judge(seen(silent_for=19.9), 20) is Verdict.FINE


def test_silent_worker_is_hung() -> None:
    """With no excuse a worker is hung at its timeout."""
    assert judge(SILENT, 20) is Verdict.HUNG


@pytest.mark.parametrize(
    "excuse",
    [
        {"own_lag": 1.5},
        {"disk_sleep": True},
        {"run_wait": 2.0},
        {"silent": 3, "workers": 10},
    ],
)
def test_excuse_is_good_for_three_more_timeouts(excuse: dict[str, object]) -> None:
    """Our own lag, disk sleep, CPU starvation, or many silent at once: wait, but not for ever."""
    assert judge(seen(**excuse), 20) is Verdict.WAIT
    assert judge(seen(**excuse, silent_for=79.0), 20) is Verdict.WAIT


def test_after_three_more_timeouts_no_excuse_counts() -> None:
    """Except our own lag: then we can't judge at all."""
    assert judge(seen(silent_for=80.0, disk_sleep=True, silent=90), 20) is Verdict.HUNG
    assert judge(seen(silent_for=80.0, own_lag=2.0), 20) is Verdict.WAIT


def test_two_silent_workers_are_no_excuse() -> None:
    """It takes 3 to be many, and 30 % of the fleet."""
    assert judge(seen(silent=2, workers=2), 20) is Verdict.HUNG
    assert judge(seen(silent=29, workers=100), 20) is Verdict.HUNG


@given(st.floats(0, 19.99), st.floats(0, 100), st.booleans(), st.integers(0, 50))
def test_no_worker_is_killed_before_its_timeout(silent: float, lag: float, sleeps: bool, others: int) -> None:
    """Whatever the machine does, a worker that reported within the timeout lives."""
    assert judge(seen(silent_for=silent, own_lag=lag, disk_sleep=sleeps, silent=others), 20) is Verdict.FINE
