"""What is put on record of accounts and of the fleet, as events with their labels and reasons. Shell."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from xyfleet.supervisor.common.event_log import EventLog, Kind
from xyfleet.supervisor.common.timestamps import rfc3339
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.worker.ipc.figures import Change
from xyfleet.worker.ipc.messages import Report, Told
from xyfleet.worker.reasons import Reason


class EventRecord:
    """
    Writes them.

    Args:
        label: Gives the label of the account of a name, an empty one if there is none.
    """

    def __init__(self, events: EventLog, label: Callable[[str], str]) -> None:
        self._events = events
        self._label = label

    def account(self, member: SupervisedAccount, kind: Kind, to: str, **facts: Any) -> None:
        """Put on record what became of an account."""
        self._add(kind, member.name, member.account.label, to, facts)

    def told(self, member: SupervisedAccount, told: Told) -> None:
        """Put on record what a handler has for a person."""
        words = ": ".join(part for part in (told.conversation, told.text) if part)
        counts = None if told.minutes is None else {"minutes": max(1, round(told.minutes))}
        self.account(member, "message", told.kind, reason=Reason("words", {"words": words}), counts=counts)

    def state(self, member: SupervisedAccount, change: Change) -> None:
        """Put a connection's change of state on record."""
        self._events.add(
            "state",
            member.name,
            time=change.time,
            label=member.account.label,
            old=change.old.value,
            new=change.new.value,
            cause=change.cause,
            **_why(change.reason),
            next_attempt=rfc3339(_next_attempt(member.report, change)),
        )

    def outage(self, name: str | None, kind: Kind, to: str, facts: dict[str, Any]) -> None:
        """Put on record what becomes of an outage, and of the account that goes ahead, if it is about one."""
        self._add(kind, name, "" if name is None else self._label(name), to, dict(facts))

    def clock(self, size: dict[str, int]) -> None:
        """Put on record that this machine's clock is wrong by so many seconds; by none: right again."""
        self._add("message", None, "", "clock_wrong" if size else "clock_right", {"counts": size or None})

    def forgotten(self, name: str, by: str) -> None:
        """Put on record that an account's files were deleted."""
        self._add("operator", name, self._label(name), "forget", {"by": by})

    def _add(self, kind: Kind, name: str | None, label: str, to: str, facts: dict[str, Any]) -> None:
        facts |= _why(facts.pop("reason", None))
        self._events.add(kind, name, time=time.time(), label=label, new=to, **facts)


def _next_attempt(report: Report | None, change: Change) -> float | None:
    """Return when the worker dials next by the report that a change came in; only its last change stands still."""
    return report.next_attempt if report is not None and report.changes[-1:] == [change] else None


def _why(reason: Reason | None) -> dict[str, Any]:
    """Return the fields of an event that say why: in raw words, and as code and fields."""
    return {} if reason is None else {"reason": str(reason), "because": reason}
