"""Causes: one table from each to its delay rule, and the fatal ones."""

from __future__ import annotations

from xyfleet.worker.causes import FATAL, RETRY_CLASS, Cause, ConnectionLost
from xyfleet.worker.reasons import Reason


def test_every_cause_has_a_retry_class() -> None:
    """The table is total."""
    assert set(RETRY_CLASS) == set(Cause)


def test_retry_classes() -> None:
    """Each cause waits by the rule that docs/heartbeat.md, rule 10, gives it."""
    closed = {Cause.CLOSED, Cause.HEARTBEAT, Cause.RIVAL}
    network = {Cause.NETWORK, Cause.LIMIT, Cause.PLATFORM, Cause.STORAGE}

    assert {cause for cause in Cause if RETRY_CLASS[cause] == "closed"} == closed
    assert {cause for cause in Cause if RETRY_CLASS[cause] == "network"} == network


def test_fatal_causes() -> None:
    """What no dial can help: a rival, a dead login, a removed session, risk control."""
    assert {Cause.RIVAL, Cause.AUTH, Cause.REMOVED, Cause.RISK} == FATAL


def test_lost_carries_cause_and_reason() -> None:
    """The exception holds the facts and composes the sentence."""
    lost = ConnectionLost(Cause.NETWORK, Reason("dns", {"words": "Name or service not known"}))

    assert (lost.cause, str(lost.reason)) == (Cause.NETWORK, "dns: Name or service not known")
    assert str(lost) == "network: dns: Name or service not known"
