"""How long an account waits after a fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.supervision.restart_policy import HOLDS, RestartRules, hold_time, restart_window
from xyfleet.worker.causes import Cause


def test_windows_double_up_to_the_longest() -> None:
    """None for the first crash, then 1, 2, 4 … seconds, at most `backoff_max`."""
    rules = RestartRules(backoff_max=100.0)

    assert [restart_window(crashes, rules) for crashes in range(10)] == [0, 1, 2, 4, 8, 16, 32, 64, 100, 100]


@given(st.integers(0, 64), st.floats(1.0, 1e5))
def test_windows_stay_within_bounds(crashes: int, longest: float) -> None:
    """However often it crashed, the window is neither negative nor longer than the longest."""
    assert 0.0 <= restart_window(crashes, RestartRules(backoff_max=longest)) <= longest


def test_quarantine_begins_at_a_third_of_the_longest() -> None:
    """300 s of the default 900 s."""
    assert RestartRules().quarantine_from == 300.0


@pytest.mark.parametrize("cause", HOLDS)
def test_holds_double_up_to_the_longest(cause: Cause) -> None:
    """Each hold in a row is twice as long as the one before, at most the longest."""
    first, longest = HOLDS[cause]
    times = [hold_time(cause, level) for level in range(17)]

    assert times == [min(first * 2**level, longest) for level in range(17)]
    assert times[-1] == longest
