"""Sleep of the machine, told by two clocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.clock import SuspendDetector

pytestmark = pytest.mark.pythons


class Clocks:
    """A wall clock and a monotonic one, moved by hand."""

    def __init__(self) -> None:
        self.wall = 1.7e9
        self.monotonic = 5000.0
        self.suspension = SuspendDetector(lambda: self.wall, lambda: self.monotonic, 10.0)

    def pass_time(self, wall: float, monotonic: float) -> float | None:
        """Let time pass on both clocks and look."""
        self.wall += wall
        self.monotonic += monotonic
        return self.suspension.slept()


def test_sleep_is_noticed_once() -> None:
    """A jump of the wall clock is a sleep of that length, told once."""
    clocks = Clocks()
    slept = clocks.pass_time(3605.0, 5.0)

    assert slept is not None
    assert round(slept) == 3600
    assert clocks.pass_time(5.0, 5.0) is None


def test_small_jumps_are_none() -> None:
    """Up to 10 s between two looks is the work of time servers."""
    assert Clocks().pass_time(14.0, 5.0) is None
    assert Clocks().pass_time(15.5, 5.0) is not None


def test_clock_set_back_is_no_sleep() -> None:
    """A wall clock that is set back by a day says nothing, and the way forward counts from there."""
    clocks = Clocks()

    assert clocks.pass_time(-86400.0, 5.0) is None
    assert clocks.pass_time(65.0, 5.0) is not None


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-9, 9)), max_size=30))
def test_slow_drift_never_adds_up(steps: list[tuple[float, float]]) -> None:
    """However the clocks drift by less than the threshold each time, that is no sleep."""
    clocks = Clocks()

    assert all(clocks.pass_time(passed + drift, passed) is None for passed, drift in steps)
