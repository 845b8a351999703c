"""When a connected account asks nothing about conversations."""

from __future__ import annotations

import pytest

from xyfleet.supervisor.control.talk_operations import held_back
from xyfleet.supervisor.credentials.record import Verdict
from xyfleet.worker.causes import Cause


@pytest.mark.parametrize(
    ("cause", "gates", "why"),
    [
        (None, (False, False), None),
        (Cause.AUTH, (False, False), None),
        (Cause.RISK, (False, True), "risk"),
        (None, (True, False), "outage"),
        (None, (False, True), "outage"),
    ],
)
def test_what_holds_back(cause: Cause | None, gates: tuple[bool, bool], why: str | None) -> None:
    """Risk control, before an outage; a dead login does not: the connection lives, and sends go on too."""
    verdict = None if cause is None else Verdict(cause=cause, reason="x", at=0.0)

    assert held_back(verdict, gates) == why
