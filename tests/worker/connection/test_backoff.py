"""The delays between dials: exact without jitter, never above the cap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.causes import RETRY_CLASS, Cause
from xyfleet.worker.connection.backoff import delay
from xyfleet.worker.settings import Backoff, Retry

EXACT = Retry(jitter=0.0)


def row(retry: Retry, cause: Cause, count: int) -> list[float]:
    """Return the first `count` delays, with the randomness at its middle."""
    return [delay(retry, cause, failures, lambda: 0.5) for failures in range(1, count + 1)]


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (Cause.CLOSED, [3, 6, 9, 12, 15, 15]),
        (Cause.HEARTBEAT, [3, 6, 9, 12, 15, 15]),
        (Cause.NETWORK, [10, 20, 30, 40, 50, 60, 60]),
        (Cause.LIMIT, [10, 20, 30, 40, 50, 60, 60]),
        (Cause.PROTOCOL, [5, 10, 15, 20, 25, 30, 30]),
        (Cause.REFUSED, [5, 10, 15, 20, 25, 30, 30]),
        (Cause.BUG, [5, 10, 15, 20, 25, 30, 30]),
    ],
)
def test_exact_rows(cause: Cause, expected: list[float]) -> None:
    """Without jitter each class of causes has exactly the delays of docs/heartbeat.md."""
    assert expected == row(EXACT, cause, len(expected))


def test_exponential_row() -> None:
    """Exponential growth doubles the step until the cap."""
    assert row(Retry(jitter=0.0, growth="exponential"), Cause.CLOSED, 5) == [3, 6, 12, 15, 15]


@pytest.mark.parametrize(("number", "expected"), [(0.0, 3.0), (0.5, 2.55), (0.999999, 2.1)])
def test_jitter_cuts(number: float, expected: float) -> None:
    """Jitter cuts up to its share off the exact delay and adds nothing."""
    assert expected == pytest.approx(delay(Retry(), Cause.CLOSED, 1, lambda: number), abs=1e-5)


def test_steps_below_a_second() -> None:
    """Steps under a second are legal; the gap between two dials is another rule."""
    retry = Retry(closed=Backoff(step=0.05, max=0.1), jitter=0.0)

    assert row(retry, Cause.CLOSED, 3) == [0.05, 0.1, 0.1]


def test_no_failure_counts_as_the_first() -> None:
    """A delay asked for without a failure is the first one, never zero."""
    assert delay(EXACT, Cause.CLOSED, 0, lambda: 0.0) == 3.0


positive = st.floats(min_value=1e-3, max_value=1e6)
backoffs = st.builds(Backoff, step=positive, max=positive)
retries = st.builds(
    Retry,
    closed=backoffs,
    network=backoffs,
    other=backoffs,
    growth=st.sampled_from(["linear", "exponential"]),
    jitter=st.floats(min_value=0, max_value=1),
)


@given(retries, st.sampled_from(Cause), st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_never_above_the_cap(retry: Retry, cause: Cause, failures: int, number: float) -> None:
    """Whatever the growth, the count and the luck: between nothing and the cap, and no overflow."""
    cap = getattr(retry, RETRY_CLASS[cause]).max

    assert 0 <= delay(retry, cause, failures, lambda: number) <= cap


@given(retries, st.sampled_from(Cause), st.integers(1, 10**6))
def test_never_shrinks_with_failures(retry: Retry, cause: Cause, failures: int) -> None:
    """With the same luck one more failure never means a shorter wait."""
    first, second = (delay(retry, cause, count, lambda: 0.25) for count in (failures, failures + 1))

    assert first <= second


@given(retries, st.sampled_from(Cause), st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_jitter_stays_inside_its_share(retry: Retry, cause: Cause, failures: int, number: float) -> None:
    """The cut is never more than the jitter's share."""
    full = delay(retry, cause, failures, lambda: 0.0)

    assert full * (1 - retry.jitter) - 1e-6 * full <= delay(retry, cause, failures, lambda: number) <= full
