"""Kick-outs in their window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.connection.kickouts import KickOuts


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30))
def test_kick_outs_in_their_window(times: list[float]) -> None:
    """The limit is reached exactly when so many fall into one window that ends now."""
    kicks = KickOuts(3, 600.0)
    past: list[float] = []
    for now in sorted(times):
        past.append(now)
        expected = len([then for then in past[-3:] if now - then <= 600.0]) == 3
        assert kicks.add(now) is expected


def test_kick_outs_begin_anew() -> None:
    """After a revival the count begins at nothing."""
    kicks = KickOuts(3, 600.0)
    kicks.add(1.0)
    kicks.add(2.0)
    kicks.clear()

    assert not kicks.add(3.0)
