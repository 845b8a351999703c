"""A fault of the program in one account's event stays that account's (finding 11)."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.supervision.account import FleetPorts, SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Action, Event, Kind
from xyfleet.supervisor.supervision.account_state import Condition, Worker
from xyfleet.supervisor.supervision.restart_policy import RestartRules


def broken(*_: Any) -> Any:
    """Stand where the fleet has a bug."""
    raise KeyError("a bug")


def carry_out(account: SupervisedAccount, action: Action) -> None:
    """Do nothing."""


def account(**ports: Any) -> SupervisedAccount:
    """Return an account whose fleet is all bugs but for these ports."""
    all_broken = dict.fromkeys(FleetPorts._fields, broken)
    found = FleetPorts(**{**all_broken, "rules": RestartRules, "carry_out": carry_out, **ports})
    return SupervisedAccount(Account(name="a0", where="f:1"), Condition(), found)


async def test_an_event_of_one_account_costs_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    """Finding 11: whoever brings the news to many accounts goes on to the next; the fault is counted and logged."""
    bad, good = account(), account(stands=lambda _: None)
    for each in (bad, good):
        each.happened(Event(kind=Kind.BEGIN))
    assert [each.condition.worker for each in (bad, good)] == [Worker.QUEUED, Worker.QUEUED]
    assert (bad.faults, good.faults) == (1, 0)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.getMessage() == "fault in event begin account=a0"
