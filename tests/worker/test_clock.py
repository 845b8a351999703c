"""The server's time, and sleeps and jumps, told by clocks that are moved by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.clock import DOUBTFUL, ClockDrift, ServerClock

pytestmark = pytest.mark.pythons

TRUE = 1.7e9
"""The server's time when the steady clock says 0."""


class Clocks:
    """A clock that runs on, one that may stand still, and the drift between them."""

    def __init__(self) -> None:
        self.wall = TRUE
        self.steady = 0.0
        self.drift = ClockDrift(lambda: self.wall, lambda: self.steady, 10.0)
        self.server = ServerClock(lambda: self.wall, lambda: self.steady)

    def pass_time(self, wall: float, steady: float) -> float | None:
        """Let time pass on both clocks and look."""
        self.wall += wall
        self.steady += steady
        return self.drift.moved()

    def stamp(self, ago: float = 0.0) -> int:
        """Return the server's time in ms, `ago` seconds ago."""
        return int((TRUE + self.steady - ago) * 1000)


def test_a_move_is_told_once() -> None:
    """Getting ahead is told once, with its size; so is falling behind."""
    clocks = Clocks()
    ahead = clocks.pass_time(3605.0, 5.0)

    assert ahead is not None
    assert round(ahead) == 3600
    assert clocks.pass_time(5.0, 5.0) is None
    assert round(clocks.pass_time(-3595.0, 5.0) or 0) == -3600
    assert clocks.pass_time(5.0, 5.0) is None


def test_small_moves_are_none() -> None:
    """Up to 10 s between two looks is the work of time servers."""
    assert Clocks().pass_time(14.0, 5.0) is None
    assert Clocks().pass_time(15.5, 5.0) is not None


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-9, 9)), max_size=30))
def test_slow_drift_never_adds_up(steps: list[tuple[float, float]]) -> None:
    """However the clocks drift by less than the threshold each time, that is no move."""
    clocks = Clocks()

    assert all(clocks.pass_time(passed + drift, passed) is None for passed, drift in steps)


@pytest.mark.parametrize("wrong", [1200.0, -1200.0])
def test_the_servers_time_counts(wrong: float) -> None:
    """A local clock that is wrong by more than 5 s is corrected by what the server said (M13, X10)."""
    clocks = Clocks()
    assert clocks.server.ahead() is None
    clocks.wall += wrong
    clocks.server.registered(clocks.stamp())

    assert clocks.server.ahead() == pytest.approx(wrong)
    assert clocks.server.now() == pytest.approx(clocks.stamp(), abs=2)


def test_small_differences_are_the_networks() -> None:
    """Within 5 s our own clock counts."""
    clocks = Clocks()
    clocks.server.registered(clocks.stamp(ago=DOUBTFUL - 0.1))

    assert clocks.server.ahead() is None
    assert clocks.server.time() == clocks.wall


def test_a_set_clock_changes_nothing() -> None:
    """What was heard lasts over a jump of the local clock: it is carried on by one that nobody sets (M13)."""
    clocks = Clocks()
    clocks.server.registered(clocks.stamp())
    clocks.pass_time(86_460.0, 60.0)

    assert clocks.server.now() == pytest.approx(clocks.stamp(), abs=2)
    assert clocks.server.ahead() == pytest.approx(86_400.0)


def test_pushes_sent_again_are_no_time() -> None:
    """A push that was made before the registration, and could not be acked then, says an old time; it is left out."""
    clocks = Clocks()
    clocks.server.registered(clocks.stamp())
    clocks.pass_time(30.0, 30.0)
    for minutes in range(1, 9):
        clocks.server.pushed(clocks.stamp(ago=60.0 * minutes))

    assert clocks.server.ahead() is None


def test_one_odd_time_is_outvoted() -> None:
    """The median counts, and what is no time at all is not heard."""
    clocks = Clocks()
    clocks.server.registered(clocks.stamp())
    clocks.server.pushed(clocks.stamp(ago=-86_400.0))
    clocks.server.pushed(clocks.stamp())
    for odd in (None, 0, -1, 17, 10**13, 10**30):
        clocks.server.pushed(odd)
        clocks.server.registered(odd)

    assert clocks.server.ahead() is None


def test_without_a_word_of_the_server() -> None:
    """Our own clock counts until the server said its time."""
    clocks = Clocks()

    assert not clocks.server.known
    assert clocks.server.time() == clocks.wall


def test_the_exact_time_is_the_server_s_own() -> None:
    """However little our clock is wrong, the exact time is what the server said, carried on; ours before it did."""
    clocks = Clocks()
    clocks.wall += 3.0
    before = clocks.server.exact()
    clocks.server.registered(clocks.stamp())
    clocks.pass_time(2.0, 2.0)

    assert (before, clocks.server.exact()) == (int((TRUE + 3) * 1000), int((TRUE + 2) * 1000))
    assert clocks.server.now() == int((TRUE + 5) * 1000)
