"""The state table: what moves, what must not, and that everything can stop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.states import TRANSITIONS, Event, IllegalTransition, State, step

S, E = State, Event


@given(st.lists(st.sampled_from(Event)))
def test_illegal_events_change_nothing(events: list[Event]) -> None:
    """Any event either moves along the table or raises and leaves the state alone."""
    state = S.DISCONNECTED
    for event in events:
        before = state
        try:
            state = step(state, event)
        except IllegalTransition:
            assert event not in TRANSITIONS[before]
        else:
            assert TRANSITIONS[before][event] is state


def test_every_live_state_can_stop() -> None:
    """Leaving works from anywhere, also while dialling."""
    for state in set(State) - {S.CLOSED}:
        assert step(state, E.STOPPED) is S.CLOSED


def test_closed_is_the_end() -> None:
    """Nothing leads out of CLOSED."""
    for event in Event:
        with pytest.raises(IllegalTransition):
            step(S.CLOSED, event)


def test_the_seeds_diagram() -> None:
    """Every arrow of the seed's diagram is there, and no others but the ways to CLOSED."""
    arrows = {
        (S.DISCONNECTED, S.CONNECTING),
        (S.CONNECTING, S.CONNECTED),
        (S.CONNECTING, S.RECONNECTING),
        (S.CONNECTED, S.RECONNECTING),
        (S.RECONNECTING, S.CONNECTING),
        (S.RECONNECTING, S.FAILED),
        (S.FAILED, S.RECONNECTING),
        (S.CONNECTED, S.CLOSED),
    }
    ours = {(old, new) for old, row in TRANSITIONS.items() for new in row.values()}

    assert arrows <= ours
    assert {old_new for old_new in ours - arrows if old_new[1] is not S.CLOSED} == set()


def test_failed_only_through_reconnecting() -> None:
    """No state but RECONNECTING leads to FAILED."""
    assert [state for state, row in TRANSITIONS.items() if S.FAILED in row.values()] == [S.RECONNECTING]


def test_connected_only_by_registration() -> None:
    """CONNECTED begins with the answer to `/reg` and nothing else."""
    ways = [(state, event) for state, row in TRANSITIONS.items() for event, new in row.items() if new is S.CONNECTED]

    assert ways == [(S.CONNECTING, E.REGISTERED)]


def test_every_state_has_a_row() -> None:
    """The table is total over the states."""
    assert set(TRANSITIONS) == set(State)


def test_illegal_transition_says_what_and_where() -> None:
    """The error names the event and the state."""
    with pytest.raises(IllegalTransition, match="no transition for event 'dial' in state FAILED"):
        step(S.FAILED, E.DIAL)
