"""One account of the fleet: starts and ends its worker, and hears what it says. Shell."""

from __future__ import annotations

import time
from collections.abc import Callable

from xyfleet.supervisor.common.event_log import Kind
from xyfleet.supervisor.messages.change_events import MessageEvents
from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.supervision.account_state import AccountSteps, Process
from xyfleet.supervisor.supervision.crew import Crew
from xyfleet.supervisor.supervision.restart_policy import Ladder
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.supervisor.workers.slot import WorkerSlot, exit_reason
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Alive, CatchUpRequest, Change, Hello, Redone, Report, Sent, TicketRequest, Up
from xyfleet.worker.states import State


class SupervisedAccount:
    """One account. All methods run in the supervisor's loop and return at once."""

    def __init__(self, account: Account, ladder: Ladder, crew: Crew, *, desired: bool) -> None:
        self.account = account
        self.ladder = ladder
        self.desired = desired
        self.desired_by: str | None = None
        """Who stopped it and when, while it is stopped."""
        self.runner = WorkerSlot(self._ended)
        self.report: Report | None = None
        """The live worker's latest report."""
        self.last: Report | None = None
        """The latest report of any worker of this account: its cause, reason and failures stay shown."""
        self.since = time.time()
        self.cpu_percent: float | None = None
        """Share of one core since the report before."""
        self.steps = AccountSteps(self, crew)
        self.tidings = MessageEvents()
        """What was told of its messages so far, over the lives of its workers."""
        self._crew = crew
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
        return self.runner.child

    @property
    def state(self) -> State:
        """The connection's state: the worker's, else DISCONNECTED, or CLOSED when it was stopped by us."""
        if self.child is not None and self.report is not None:
            return self.report.state
        return State.DISCONNECTED if self.wanted else State.CLOSED

    @property
    def process(self) -> Process:
        """The supervisor's state of this account."""
        if self.runner.stopping:
            return Process.STOPPING
        if not self.account.enabled:
            return Process.DISABLED
        if not self.desired:
            return Process.STOPPED
        if self.steps.needs_login:
            return Process.NEEDS_LOGIN
        if self.steps.hooking:
            return Process.REFRESHING
        if self.steps.next_attempt is not None or self.steps.deferred is not None:
            return Process.QUARANTINED if self.ladder.quarantined else Process.BACKOFF
        return Process.STARTING if self.report is None else Process.RUNNING

    @property
    def wanted(self) -> bool:
        """Whether a worker should live."""
        return self.desired and self.account.enabled

    @property
    def cause(self) -> Cause:
        """The last loss's cause; `auth` where there never was one, since then there is no cookie."""
        return (self.last.cause if self.last is not None else None) or Cause.AUTH

    # Starting and stopping.

    def start(self, delay: float = 0.0) -> None:
        """Have a worker started after `delay` seconds, unless one lives or is on its way."""
        self.steps.cancel()
        if not self.wanted or self.child is not None or self.runner.queued:
            return
        if delay > 0:
            self.steps.plan(delay, self.start)
        elif self._crew.known_user(self):
            self.runner.queued = True
            self._crew.queue_start(self)
        else:
            self._crew.run_hook(self, Cause.AUTH, wait=True)

    def take_turn(self) -> bool:
        """The queue has come to this member; return whether it still wants a worker."""
        self.runner.take_turn()
        return self.wanted and self.child is None

    def started(self, child: WorkerProcess) -> None:
        """Its worker was just started."""
        self.runner.started(child)
        self.report = None
        self.cpu_percent = None
        self._failed_since = None
        self._measured = (0.0, 0.0)
        self.tidings.worker_started()

    def start_failed(self, reason: str) -> None:
        """No worker could be started."""
        self.steps.restart_after("exit", reason)

    def start_again(self) -> None:
        """The forkserver lives again: start what its death ended."""
        if self.runner.adopt() and not (self.steps.needs_login or self.steps.holding):
            self.steps.note_restart(0.0, "forkserver")
            self.start()

    def stop(self, then: Callable[[], None] | None = None) -> None:
        """End the worker politely, and call `then` when it is gone."""
        self.steps.cancel()
        self.runner.stop(then)

    def restart(self) -> None:
        """An operator's restart: not counted."""
        self.runner.do_not_count()
        self.stop(then=self.start)

    # What the child says.

    def heard(self, child: WorkerProcess, message: Up) -> None:
        """A message of the worker came."""
        match message:
            case Alive():
                return
            case Report():
                self._reported(message)
            case TicketRequest():
                self._crew.answer_ticket(self, child, message)
            case Hello():
                self._crew.check_marker(self, message.marker, message.imported)
            case Sent() | Redone() | CatchUpRequest():
                self._crew.mail.heard(child, message)

    def gone(self, child: WorkerProcess) -> None:
        """The worker is proven gone."""
        self.report = None
        self.since = time.time()
        self._crew.mail.worker_gone(self, child)
        self.runner.gone(child)

    def forgotten(self) -> None:
        """All that was stored about it was deleted."""
        self.last = None
        self.tidings = MessageEvents()

    def tell(self, kind: Kind, to: str, **facts: object) -> None:
        """Put an event of this account on record."""
        self._crew.note(self, kind, to, **facts)

    def _ended(self, child: WorkerProcess, why: str) -> None:
        """The worker ended, and nobody had asked for it."""
        if self.steps.needs_login or self.steps.hooking or self.steps.holding:
            self.tell("restart", "stopped", why=why, reason=exit_reason(child))
        else:
            self.steps.restart_after(why, exit_reason(child))

    def _reported(self, report: Report) -> None:
        now = time.monotonic()
        self._measure(report, now)
        self.report = self.last = report
        self.since = report.since
        for change in report.changes:
            self._changed(change, now)
        self._crew.mail.reported(self, report.mail)
        if self.runner.stopping:
            return
        if report.state is State.FAILED and self._failed_since != report.since:
            self._failed_since = report.since
            self._crew.failed(self, report.cause or Cause.BUG)
        elif report.memory is not None and report.memory > (self.account.max_memory or report.memory):
            self._outgrown(report.memory)

    def _changed(self, change: Change, now: float) -> None:
        self._crew.changed(self, change)
        if change.new is State.CONNECTED:
            self.steps.needs_login = False
            self.ladder.connected(now)
        elif change.old is State.CONNECTED:
            self.ladder.lost(now)
        self.steps.tell_quarantine()

    def _measure(self, report: Report, now: float) -> None:
        """Work out the CPU share since the report before; reports closer than a second say too little."""
        at, cpu = self._measured
        if now - at >= 1.0:
            self.cpu_percent = round(100 * (report.cpu - cpu) / (now - at), 2) if at else None
            self._measured = (now, report.cpu)

    def _outgrown(self, memory: int) -> None:
        delay = self.ladder.exited(time.monotonic()).delay
        self.steps.note_restart(delay, "memory", f"{memory / 2**20:.1f} MiB")
        self.stop(then=lambda: self.start(delay))
