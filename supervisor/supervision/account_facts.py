"""What is known and shown of one account of the fleet. Shell."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.settings import Fleet as FleetSettings
from xyfleet.supervisor.supervision.account_events import Action, Event
from xyfleet.supervisor.supervision.account_state import Condition, Login, Process, Wish, process_of
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.worker.ipc.messages import Report
from xyfleet.worker.states import State

KEPT: Final = 200
"""So many of the latest events are remembered, with what they did."""


class Traced(msgspec.Struct, frozen=True):
    """One event of an account's life, and what it did."""

    time: float
    """Wall time."""
    event: Event
    condition: Condition
    """After it."""
    actions: list[Action]
    ignored: str | None


class Settled(NamedTuple):
    """Settings that were wholly carried out for an account."""

    account: Account
    fleet: FleetSettings


class AccountFacts:
    """What `SupervisedAccount` goes by, and whoever shows an account."""

    def __init__(self, account: Account, condition: Condition, rules: Callable[[], RestartRules]) -> None:
        self.account = account
        self.settled: Settled | None = None
        """What a reload compares the file with; None = it was never begun."""
        self.condition = condition
        self.remembered = condition
        """The condition that is stored."""
        self.stopped_by: str | None = None
        """Who stopped it and when, while it is stopped."""
        self.report: Report | None = None
        """The live worker's latest report."""
        self.last: Report | None = None
        """The latest report of any worker of this account: its cause, reason and failures stay shown."""
        self.since = time.time()
        self.cpu_percent: float | None = None
        """Share of one core since the report before."""
        self.was_down = False
        """Whether it lost a connection, or failed to get one, since it was CONNECTED last."""
        self.restarts = 0
        """Worker starts after the first, operators' excluded."""
        self.impossible = 0
        """Events that could not happen and did."""
        self.faults = 0
        """Faults of the program in what happened to it."""
        self.trace: deque[Traced] = deque(maxlen=KEPT)
        self.next_attempt: float | None = None
        """Wall time of the next step that the supervisor takes by itself."""
        self._rules = rules
        self._measured = (0.0, 0.0)

    # What is shown.

    @property
    def name(self) -> str:
        """The account's name."""
        return self.account.name

    @property
    def state(self) -> State:
        """The connection's state: the worker's, else DISCONNECTED, or CLOSED when it was stopped by us."""
        if self.report is not None:
            return self.report.state
        return State.DISCONNECTED if self.wanted else State.CLOSED

    @property
    def process(self) -> Process:
        """The supervisor's state of this account."""
        shown = process_of(self.condition, self._rules().quarantine_from)
        return Process.STARTING if shown is Process.RUNNING and self.report is None else shown

    @property
    def wanted(self) -> bool:
        """Whether a worker should live."""
        return self.condition.wish is Wish.RUN

    @property
    def waits_for_person(self) -> bool:
        """Whether nothing is tried until a person did something, or a long rest is over."""
        it = self.condition
        return self.wanted and not it.up and it.login in (Login.PERSON, Login.HELD)

    # What workers bring.

    def worker_began(self) -> None:
        """Nothing is known of its new worker yet."""
        self.report = None
        self.cpu_percent = None
        self._measured = (0.0, 0.0)

    def take(self, report: Report, now: float) -> None:
        """Take what its worker reports at this monotonic time."""
        self._measure(report, now)
        self.report = self.last = report
        self.since = report.since

    def worker_ended(self) -> None:
        """What its worker reported last is of the past."""
        self.report = None
        self.since = time.time()

    def _measure(self, report: Report, now: float) -> None:
        """Work out the CPU share since the report before; reports closer than a second say too little."""
        at, cpu = self._measured
        if now - at >= 1.0:
            self.cpu_percent = round(100 * (report.cpu - cpu) / (now - at), 2) if at else None
            self._measured = (now, report.cpu)
