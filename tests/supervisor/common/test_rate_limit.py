"""Tests of `xyfleet.supervisor.common.rate_limit`."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from xyfleet.supervisor.common.rate_limit import DAY, TokenBucket, free_at, growing, recent

moments = st.lists(st.floats(0, 1000), min_size=1, max_size=60).map(sorted)
TINY = 1e-6  # Sums of floats are not exact.


def turns(bucket: TokenBucket, asked: list[float]) -> list[float]:
    """Return when each of the callers who ask at these moments begins."""
    return [now + bucket.reserve(now) for now in asked]


@given(moments, st.floats(0.01, 100), st.integers(1, 20))
def test_no_window_holds_too_many(asked: list[float], rate: float, burst: int) -> None:
    """In any window of t seconds at most `burst + rate * t` turns begin."""
    begun = turns(TokenBucket(rate, burst), asked)

    for first, last in itertools.combinations(range(len(begun)), 2):
        assert last - first + 1 <= burst + rate * (begun[last] - begun[first]) + TINY * max(1.0, rate)


@given(moments, st.floats(0.01, 100), st.integers(1, 20))
def test_turns_keep_their_order(asked: list[float], rate: float, burst: int) -> None:
    """Nobody overtakes, and nobody begins before asking."""
    begun = turns(TokenBucket(rate, burst), asked)

    assert all(later >= earlier - TINY for earlier, later in itertools.pairwise(begun))
    assert all(begin >= now for now, begin in zip(asked, begun, strict=True))


@given(moments, st.integers(1, 20))
def test_rate_zero_is_no_limit(asked: list[float], burst: int) -> None:
    """Rate 0 lets everybody go at once."""
    assert asked == turns(TokenBucket(0, burst), asked)


def test_a_burst_then_the_pace() -> None:
    """The first `burst` go at once, the others one by one; a quiet time fills the bucket up again, no further."""
    bucket = TokenBucket(2, 3)

    assert [bucket.reserve(0) for _ in range(6)] == [0, 0, 0, 0.5, 1.0, 1.5]
    assert [bucket.reserve(1000) for _ in range(4)] == [0, 0, 0, 0.5]


def test_a_changed_rate_holds_from_the_next_turn() -> None:
    """The limits may change under way."""
    bucket = TokenBucket(0)
    bucket.reserve(10)
    bucket.rate = 4

    assert [bucket.reserve(10) for _ in range(3)] == [0, 0.25, 0.5]


def test_turns_taken_in_advance_are_worked_off_at_the_new_rate() -> None:
    """A slow rate's debt of hours does not outlive it."""
    bucket = TokenBucket(0.001)
    for _ in range(5):
        bucket.reserve(0)
    bucket.change(10, 1, 0)

    assert bucket.wait(0) == 0.5
    bucket.change(0, 1, 0)
    assert bucket.wait(0) == 0


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    """An earlier `now` waits for the later one's turns."""
    bucket = TokenBucket(1)
    bucket.reserve(100)

    assert bucket.reserve(90) == 11


times = st.lists(st.floats(0, 10 * DAY), max_size=30)


@given(times, st.floats(0, 10 * DAY), st.integers(1, 8))
def test_a_rolling_limit_is_kept(done: list[float], start: float, limit: int) -> None:
    """Whoever waits until `free_at` each time never exceeds the limit in any day."""
    assume(len(recent(done, start)) <= limit)
    now = start
    kept = recent(done, start)
    for _ in range(12):
        now = free_at(kept, now, limit)
        kept.append(now)

    assert all(later - earlier >= DAY - TINY for earlier, later in zip(kept, kept[limit:], strict=False))


@given(times, st.floats(0, 10 * DAY), st.integers(1, 8))
def test_never_locked_for_longer_than_the_span(done: list[float], now: float, limit: int) -> None:
    """Whatever stands in the list, a day later at the latest one more is allowed."""
    allowed = free_at(done, now, limit)

    assert now <= allowed <= now + DAY
    assert (allowed == now) == (len(recent(done, now)) < limit)


def test_a_time_in_the_future_counts_as_now() -> None:
    """A wall clock that was set back can't lock an account for longer than a day."""
    assert recent([50, 10 * DAY], 100) == [50, 100]
    assert free_at([10 * DAY], 100, 1) == 100 + DAY


def test_what_is_old_is_forgotten() -> None:
    """A time leaves the window exactly one span later."""
    assert recent([0, 1, 2], 11, span=10) == [2]


@pytest.mark.parametrize(("failures", "pause"), [(-1, 0), (0, 0), (1, 5), (2, 10), (3, 20), (4, 30), (5000, 30)])
def test_pauses_grow(failures: int, pause: float) -> None:
    """The pause doubles with each failure up to its longest."""
    assert pause == growing(5, 30, failures)
