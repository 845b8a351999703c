"""One account of the fleet: hears what happens to it, and has done what its condition asks for. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account_events import Action, Event, Kind
from xyfleet.supervisor.supervision.account_facts import AccountFacts, Traced
from xyfleet.supervisor.supervision.account_state import Condition, Worker
from xyfleet.supervisor.supervision.restart_policy import RestartRules
from xyfleet.supervisor.supervision.transitions import transition
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.supervisor.workers.slot import WorkerSlot, exit_reason
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.figures import Change
from xyfleet.worker.ipc.messages import Alive, Go, Report, Up
from xyfleet.worker.ipc.messages import Reconnect as ReconnectCommand
from xyfleet.worker.reasons import Reason
from xyfleet.worker.states import State

ASKED_FOR: Final = ("operator", "settings")
"""Why a worker is restarted when nothing is wrong: not counted."""
FAULT_PAUSE: Final = 1.0
"""Seconds from a fault of the program in what happens to an account to its beginning anew."""

log = logging.getLogger(__name__)


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


class SupervisedAccount(AccountFacts):
    """One account. All methods run in the supervisor's loop and return at once."""

    def __init__(self, account: Account, condition: Condition, ports: FleetPorts) -> None:
        super().__init__(account, condition, ports.rules)
        self.slot = WorkerSlot(self)
        self.failed_again = False
        """Whether the event at hand is a failed attempt."""
        self.just_connected = False
        """Whether the event at hand is a new connection."""
        self.new_login = False
        """Whether the event at hand is a new cookie, of its owner or of the login hook."""
        self.start_decided = asyncio.Event()
        """Set unless a start of its worker is on its way."""
        self._ports = ports
        self._alarm: asyncio.TimerHandle | None = None
        self._anew: asyncio.TimerHandle | None = None
        self._failed_since: float | None = None

    @property
    def child(self) -> WorkerProcess | None:
        """The live worker."""
        return self.slot.child

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
        done = transition(self.condition, event, now, self._rules(), random.random())
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
        self.worker_began()
        self._failed_since = None
        self.happened(Event(kind=Kind.SPAWNED, number=self.condition.start))

    def heard(self, child: WorkerProcess, message: Up) -> None:
        """A message of the worker came."""
        with self._own_fault(f"message {type(message).__name__}"):
            match message:
                case Alive():
                    return
                case Report():
                    self._reported(message)
                case _:
                    self._ports.heard(self, child, message)

    def gone(self, child: WorkerProcess) -> None:
        """The worker is proven gone."""
        self.worker_ended()
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
        self.take(report, time.monotonic())
        for change in report.changes:
            self._changed(change)
        self._ports.heard(self, self._child(), report)
        if self.slot.stopping:
            return
        if report.state is State.FAILED and self._failed_since != report.since:
            self._failed_since = report.since
            self._ports.failed(self, Event(kind=Kind.FAILED, cause=report.cause or Cause.BUG, reason=report.reason))
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
