"""Every state and cause has its words, in both languages."""

from __future__ import annotations

import pytest

from xyfleet.supervisor.presentation.labels import CAUSES, PROCESSES, STATES, cause_words, process_words, state_words
from xyfleet.supervisor.supervision.account_state import Process
from xyfleet.worker.causes import Cause
from xyfleet.worker.states import State


def test_all_have_words() -> None:
    """A new state or cause needs its words."""
    assert (set(STATES), set(PROCESSES), set(CAUSES)) == (set(State), set(Process), set(Cause))


@pytest.mark.parametrize("state", State)
def test_state_keeps_its_name(state: State) -> None:
    """Whoever searches for CONNECTED finds it in either language."""
    assert state_words(state, "en") == state.value
    assert state_words(state, "zh").startswith(state.value)


@pytest.mark.parametrize("process", Process)
def test_process_words_differ_by_language(process: Process) -> None:
    """The supervisor's states are plain words."""
    assert process_words(process, "zh") != process_words(process, "en")


def test_strange_cause_is_shown_as_it_is() -> None:
    """A cause of a newer version, and none at all, break nothing."""
    assert cause_words("new_cause", "en") == "new_cause"
    assert cause_words(None, "en") == "no cause given"
    assert cause_words("risk", "zh") == "触发风控"
