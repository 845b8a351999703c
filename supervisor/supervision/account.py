"""One account of the fleet: hears what happens to it, and has done what its condition asks for. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.settings import Fleet as FleetSettings
from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account_events import Action, Event, Kind
from xyfleet.supervisor.supervision.account_state import Condition, Login, Process, Wish, Worker, process_of
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.supervisor.supervision.transitions import transition
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.supervisor.workers.slot import WorkerSlot, exit_reason
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import (
    Alive,
    CatchUpRequest,
    Change,
    Go,
    Hello,
    Redone,
    Report,
    Sent,
    Strange,
    TicketRequest,
    Up,
    UploadRequest,
)
from xyfleet.worker.ipc.messages import Reconnect as ReconnectCommand
from xyfleet.worker.reasons import Reason
from xyfleet.worker.states import State

ASKED_FOR: Final = ("operator", "settings")
"""Why a worker is restarted when nothing is wrong: not counted."""
KEPT: Final = 200
"""So many of the latest events are remembered, with what they did."""

FAULT_PAUSE: Final = 1.0
"""Seconds from a fault of the program in what happens to an account to its beginning anew."""

log = logging.getLogger(__name__)


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


class FleetPorts(NamedTuple):
    """What an account has done by the fleet around it. Every call returns at once."""

    rules: Callable[[], RestartRules]
    go: Callable[[SupervisedAccount], Go]
    """What a new worker is told first."""
    carry_out: Callable[[SupervisedAccount, Action], None]
    """Do what is not the account's own part."""
    stands: Callable[[SupervisedAccount], None]
    """Its condition changed."""
    failed: Callable[[SupervisedAccount, Event], None]
    """Send FAILED on once it is clear that the trouble is the account's own."""
    heard: Callable[[SupervisedAccount, WorkerProcess, Up], None]
    """A message that is not about the connection's state."""
    changed: Callable[[SupervisedAccount, Change], None]
    """Put a connection's change of state on record."""
    gone: Callable[[SupervisedAccount, WorkerProcess], None]


class SupervisedAccount:
    """One account. All methods run in the supervisor's loop and return at once."""

    def __init__(self, account: Account, condition: Condition, ports: FleetPorts) -> None:
        self.account = account
        self.settled: Settled | None = None
        """What a reload compares the file with; None = it was never begun."""
        self.condition = condition
        self.stopped_by: str | None = None
        """Who stopped it and when, while it is stopped."""
        self.slot = WorkerSlot(self)
        self.report: Report | None = None
        """The live worker's latest report."""
        self.last: Report | None = None
        """The latest report of any worker of this account: its cause, reason and failures stay shown."""
        self.since = time.time()
        self.cpu_percent: float | None = None
        """Share of one core since the report before."""
        self.was_down = False
        """Whether it lost a connection, or failed to get one, since it was CONNECTED last."""
        self.failed_again = False
        """Whether the event at hand is a failed attempt."""
        self.just_connected = False
        """Whether the event at hand is a new connection."""
        self.new_login = False
        """Whether the event at hand is a new cookie, of its owner or of the login hook."""
        self.restarts = 0
        """Worker starts after the first, operators' excluded."""
        self.impossible = 0
        """Events that could not happen and did."""
        self.faults = 0
        """Faults of the program in what happened to it."""
        self.start_decided = asyncio.Event()
        """Set unless a start of its worker is on its way."""
        self.trace: deque[Traced] = deque(maxlen=KEPT)
        self.next_attempt: float | None = None
        """Wall time of the next step that the supervisor takes by itself."""
        self._ports = ports
        self._alarm: asyncio.TimerHandle | None = None
        self._anew: asyncio.TimerHandle | None = None
        self.remembered = condition
        """The condition that is stored."""
        self._failed_since: float | None = None
        self._measured = (0.0, 0.0)

    # What is shown.

    @property
    def name(self) -> str:
        """The account's name."""
        return self.account.name

    @property
    def child(self) -> WorkerProcess | None:
        """The live worker."""
        return self.slot.child

    @property
    def state(self) -> State:
        """The connection's state: the worker's, else DISCONNECTED, or CLOSED when it was stopped by us."""
        if self.child is not None and self.report is not None:
            return self.report.state
        return State.DISCONNECTED if self.wanted else State.CLOSED

    @property
    def process(self) -> Process:
        """The supervisor's state of this account."""
        shown = process_of(self.condition, self._ports.rules().quarantine_from)
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

    # What happens.

    def begin(self) -> None:
        """Start what is wanted: the gates of the account are open or shut by now."""
        self.happened(Event(kind=Kind.BEGIN))

    def happened(self, event: Event) -> None:
        """Move the condition by an event, and have done what follows. A fault in that is this event's own: logged."""
        with self._own_fault(f"event {event.kind}"):
            self._happened(event)

    @contextlib.contextmanager
    def _own_fault(self, what: str) -> Iterator[None]:
        """Count and log a fault, so that neither other accounts nor whoever brought the news pay for it."""
        try:
            yield
        except Exception:
            log.exception("fault in %s account=%s", what, self.name)
            self._fault(what)

    def _fault(self, what: str) -> None:
        """Have the account begin anew, in a moment: whatever was not done for it, it must not wait for it for ever."""
        self.faults += 1
        if self._anew is None:
            self._anew = asyncio.get_running_loop().call_later(FAULT_PAUSE, self._begin_anew, what)

    def _begin_anew(self, what: str) -> None:
        self._anew = None
        self.happened(Event(kind=Kind.FAULT, reason=Reason("fault_in", {"words": what})))
        if self.condition.worker is Worker.STOPPING:
            self.slot.kill("fault")

    def _happened(self, event: Event) -> None:
        now = time.monotonic()
        done = transition(self.condition, event, now, self._ports.rules(), random.random())
        self.condition = done.condition
        self.trace.append(Traced(time.time(), event, done.condition, done.actions, done.ignored))
        if done.impossible:
            self.impossible += 1
            log.error("impossible event account=%s event=%s condition=%s", self.name, event, self.condition)
            return
        self.new_login = event.kind is Kind.COOKIE or event.end == "new"
        if done.condition.worker in (Worker.QUEUED, Worker.STARTING):
            self.start_decided.clear()
        else:
            self.start_decided.set()
        for action in done.actions:
            try:
                self._carry_out(action, now)
            except Exception:
                # What follows is owed all the same, and so are the events of other accounts.
                log.exception("fault in what an account asked for account=%s action=%s", self.name, action)
                self._fault(f"action {type(action).__name__}")
        if done.ignored is None:
            self._ports.stands(self)
        self.failed_again = self.just_connected = self.new_login = False

    def _carry_out(self, action: Action, now: float) -> None:
        match action:
            case do.Stop():
                self.slot.stop()
            case do.StrikeOut():
                self.slot.strike_out()
            case do.Reconnect(why, drop, stale):
                self.slot.send(ReconnectCommand(why=why, drop=drop, stale=stale))
            case do.SetTimer(number, at, kind):
                self._set_timer(number, at - now, shown=kind not in ("grace", "healthy"))
            case do.CancelTimer():
                self._cancel_timer()
            case do.Note("restart", "starting" | "backoff", why):
                self.restarts += why not in ASKED_FOR
                self._ports.carry_out(self, action)
            case _:
                self._ports.carry_out(self, action)

    def _set_timer(self, number: int, delay: float, *, shown: bool) -> None:
        self._cancel_timer()
        ring = Event(kind=Kind.TIMER, number=number)
        self._alarm = asyncio.get_running_loop().call_later(delay, self.happened, ring)
        self.next_attempt = time.time() + delay if shown else None

    def _cancel_timer(self) -> None:
        self.next_attempt = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    # The worker.

    def take_turn(self) -> bool:
        """The start queue has come to it; return whether a worker is wanted."""
        self.happened(Event(kind=Kind.TURN))
        return self.condition.worker is Worker.STARTING and self.slot.request is None

    def go(self) -> Go:
        """Return what its new worker is told first."""
        return self._ports.go(self)

    def start_failed(self, reason: Reason) -> None:
        """The worker could not be started."""
        self.happened(Event(kind=Kind.SPAWN_FAILED, number=self.condition.start, reason=reason))

    def started(self, child: WorkerProcess) -> None:
        """Its worker was started and told to go."""
        self.slot.started(child)
        self.report = None
        self.cpu_percent = None
        self._failed_since = None
        self._measured = (0.0, 0.0)
        self.happened(Event(kind=Kind.SPAWNED, number=self.condition.start))

    def heard(self, child: WorkerProcess, message: Up) -> None:
        """A message of the worker came."""
        with self._own_fault(f"message {type(message).__name__}"):
            match message:
                case Alive():
                    return
                case Report():
                    self._reported(message)
                case TicketRequest() | Hello() | Sent() | Redone() | CatchUpRequest() | UploadRequest() | Strange():
                    self._ports.heard(self, child, message)

    def gone(self, child: WorkerProcess) -> None:
        """The worker is proven gone."""
        self.report = None
        self.since = time.time()
        with self._own_fault("a worker's end"):
            self._ports.gone(self, child)
        self.slot.gone(child)

    def forgotten(self) -> None:
        """All that was stored about it was deleted."""
        self.last = None
        self.happened(Event(kind=Kind.FORGET))

    def ended(self, child: WorkerProcess, why: str) -> None:
        """The worker is proven gone; `why` says whether that was asked for."""
        self.happened(Event(kind=Kind.GONE, why=why, reason=exit_reason(child)))

    def _reported(self, report: Report) -> None:
        now = time.monotonic()
        self._measure(report, now)
        self.report = self.last = report
        self.since = report.since
        for change in report.changes:
            self._changed(change)
        self._ports.heard(self, self._child(), report)
        if self.slot.stopping:
            return
        if report.state is State.FAILED and self._failed_since != report.since:
            self._failed_since = report.since
            self._ports.failed(self, Event(kind=Kind.FAILED, cause=report.cause or Cause.BUG))
        elif report.memory is not None and report.memory > (self.account.max_memory or report.memory):
            self.happened(Event(kind=Kind.OUTGROWN, reason=Reason("memory", {"mib": report.memory / 2**20})))

    def _child(self) -> WorkerProcess:
        assert self.child is not None, "only a live worker reports"
        return self.child

    def _changed(self, change: Change) -> None:
        self._ports.changed(self, change)
        if change.new is State.CONNECTED:
            self.was_down, self.just_connected = False, True
            self.happened(Event(kind=Kind.CONNECTED))
        elif change.new is State.RECONNECTING and change.old is State.FAILED:
            self.happened(Event(kind=Kind.DIALS))
        elif change.new is State.RECONNECTING and change.cause is not None:
            self.was_down = self.failed_again = True
            self.happened(Event(kind=Kind.LOST, cause=change.cause))

    def _measure(self, report: Report, now: float) -> None:
        """Work out the CPU share since the report before; reports closer than a second say too little."""
        at, cpu = self._measured
        if now - at >= 1.0:
            self.cpu_percent = round(100 * (report.cpu - cpu) / (now - at), 2) if at else None
            self._measured = (now, report.cpu)
