"""One account of the fleet: carries out what the ladder says about its worker, and what operators say. Shell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from xyfleet.supervisor.child import Child
from xyfleet.supervisor.crew import Crew
from xyfleet.supervisor.events import Kind
from xyfleet.supervisor.mail.news import Tidings
from xyfleet.supervisor.plan import Hold, Hook, Ladder, NeedsLogin, Restart, Revive, Start, Step
from xyfleet.supervisor.runner import Runner, exit_reason
from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.views import Process
from xyfleet.worker.causes import Cause
from xyfleet.worker.messages import (
    Alive,
    CatchUpRequest,
    Change,
    Hello,
    MailFigures,
    Reconnect,
    Redone,
    Report,
    Sent,
    TicketRequest,
    Up,
)
from xyfleet.worker.states import State


class Member:
    """One account. All methods run in the supervisor's loop and return at once."""

    def __init__(self, account: Account, ladder: Ladder, crew: Crew, *, desired: bool) -> None:
        self.account = account
        self.ladder = ladder
        self.desired = desired
        self.desired_by: str | None = None
        """Who stopped it and when, while it is stopped."""
        self.runner = Runner(self._ended)
        self.report: Report | None = None
        """The live worker's latest report."""
        self.last: Report | None = None
        """The latest report of any worker of this account: its cause, reason and failures stay shown."""
        self.since = time.time()
        self.next_attempt: float | None = None
        """Wall time of the next step that the supervisor takes by itself."""
        self.cpu_percent: float | None = None
        """Share of one core since the report before."""
        self.needs_login = False
        self.hooking = False
        """Whether the refresh hook runs."""
        self.holding = False
        """Whether it is left alone until a probe (risk control, removal, a rival)."""
        self.deferred: Step | None = None
        """A step that an outage holds back."""
        self._crew = crew
        self._alarm: asyncio.TimerHandle | None = None
        self._failed_since: float | None = None
        self._measured = (0.0, 0.0)
        self._quarantined = False
        self._tidings = Tidings()
        self._stored = 0

    # What is shown.

    @property
    def name(self) -> str:
        """The account's name."""
        return self.account.name

    @property
    def child(self) -> Child | None:
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
        if self.needs_login:
            return Process.NEEDS_LOGIN
        if self.hooking:
            return Process.REFRESHING
        if self.next_attempt is not None or self.deferred is not None:
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
        self.cancel_step()
        if not self.wanted or self.child is not None or self.runner.queued:
            return
        if delay > 0:
            self._set_alarm(delay, self.start)
        elif self._crew.known_user(self):
            self.runner.queued = True
            self._crew.queue_start(self)
        else:
            self._crew.run_hook(self, Cause.AUTH, wait=True)

    def take_turn(self) -> bool:
        """The queue has come to this member; return whether it still wants a worker."""
        self.runner.take_turn()
        return self.wanted and self.child is None

    def started(self, child: Child) -> None:
        """Its worker was just started."""
        self.runner.started(child)
        self.report = None
        self.cpu_percent = None
        self._failed_since = None
        self._measured = (0.0, 0.0)
        self._tidings.worker_started()

    def start_failed(self, reason: str) -> None:
        """No worker could be started."""
        self._restart_after("exit", reason)

    def start_again(self) -> None:
        """The forkserver lives again: start what its death ended."""
        if self.runner.adopt() and not (self.needs_login or self.holding):
            self._note_restart(0.0, "forkserver")
            self.start()

    def stop(self, then: Callable[[], None] | None = None) -> None:
        """End the worker politely, and call `then` when it is gone."""
        self.cancel_step()
        self.runner.stop(then)

    def restart(self) -> None:
        """An operator's restart: not counted."""
        self.runner.do_not_count()
        self.stop(then=self.start)

    # What the child says.

    def heard(self, child: Child, message: Up) -> None:
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
            case Sent() | Redone():
                self._crew.answered(child, message)
            case CatchUpRequest():
                self._crew.ask_catch_up(child)

    def gone(self, child: Child) -> None:
        """The worker is proven gone."""
        self.report = None
        self.since = time.time()
        self._crew.worker_gone(self, child)
        self.runner.gone(child)

    def forgotten(self) -> None:
        """All that was stored about it was deleted."""
        self.last = None
        self._tidings, self._stored = Tidings(), 0

    def _ended(self, child: Child, why: str) -> None:
        """The worker ended, and nobody had asked for it."""
        if self.needs_login or self.hooking or self.holding:
            self.tell("restart", "stopped", why=why, reason=exit_reason(child))
        else:
            self._restart_after(why, exit_reason(child))

    def _restart_after(self, why: str, reason: str) -> None:
        step = self.ladder.exited(time.monotonic())
        self._note_restart(step.delay, why, reason)
        self.take(step)

    def _note_restart(self, delay: float, why: str, reason: str | None = None) -> None:
        self.tell("restart", "backoff" if delay > 0 else "starting", why=why, reason=reason)
        self._tell_quarantine()

    def _tell_quarantine(self) -> None:
        """Put the begin and the end of a quarantine on record, once each."""
        if self.ladder.quarantined != self._quarantined:
            self._quarantined = self.ladder.quarantined
            self.tell("quarantine", "quarantined" if self._quarantined else "released")

    def _reported(self, report: Report) -> None:
        now = time.monotonic()
        self._measure(report, now)
        self.report = self.last = report
        self.since = report.since
        for change in report.changes:
            self._changed(change, now)
        self._mail(report.mail)
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
            self.needs_login = False
            self.ladder.connected(now)
        elif change.old is State.CONNECTED:
            self.ladder.lost(now)
        self._tell_quarantine()

    def _mail(self, mail: MailFigures) -> None:
        """Pass on what is new about its messages."""
        for tiding in self._tidings.take(mail):
            self.tell("message", tiding.to, **tiding.facts)
        self._crew.handler_trouble(self, mail.handler_trouble)
        if mail.stored not in (0, self._stored):  # 0: its inbox is not open yet
            self._stored = mail.stored
            self._crew.mail_changed(self.name)

    def _measure(self, report: Report, now: float) -> None:
        """Work out the CPU share since the report before; reports closer than a second say too little."""
        at, cpu = self._measured
        if now - at >= 1.0:
            self.cpu_percent = round(100 * (report.cpu - cpu) / (now - at), 2) if at else None
            self._measured = (now, report.cpu)

    def _outgrown(self, memory: int) -> None:
        delay = self.ladder.exited(time.monotonic()).delay
        self._note_restart(delay, "memory", f"{memory / 2**20:.1f} MiB")
        self.stop(then=lambda: self.start(delay))

    # The ladder's steps.

    def climb(self, cause: Cause) -> None:
        """The worker is FAILED for `cause`, and it is its own trouble: take the ladder's next step."""
        self.take(self.ladder.failed(time.monotonic(), cause))

    def take(self, step: Step) -> None:
        """Carry a step out, or keep it until the outage is over."""
        self.cancel_step()
        if not self.wanted:
            return
        if not isinstance(step, Start | Hold | NeedsLogin) and self._crew.outage.holds(self.name):
            self.deferred = step
            return
        match step:
            case Start(delay):
                self.start(delay)
            case Restart(delay):
                self._note_restart(delay, "failed")
                self._crew.void_token(self)
                self.stop(then=lambda: self.start(delay))
            case Hook(wait):
                self._crew.run_hook(self, self.cause, wait)
            case Revive():
                self.revive("new credentials")
            case Hold(delay):
                self._hold(delay)
            case NeedsLogin():
                self._need_login()

    def take_deferred(self) -> None:
        """The outage is over for this member: go on where it was held."""
        step, self.deferred = self.deferred, None
        if step is not None:
            self.take(step)

    def revive(self, why: str, *, stale: bool = True, drop: bool = True) -> None:
        """Have the live worker dial now, or a worker started; FAILED again after the grace means a restart."""
        self.cancel_step()
        if self.child is None:
            self.start()
            return
        self.runner.send(Reconnect(why=why, drop=drop, stale=stale))
        if self.state is State.FAILED:
            self._set_alarm(self.ladder.rules.failed_grace, self._grace_over, shown=False)

    def hook_ended(self, step: Step) -> None:
        """The refresh hook has ended, and this follows from it."""
        self.hooking = False
        self.take(step)

    def new_cookie(self, why: str) -> None:
        """There are new credentials: whatever held the account back is over."""
        self.forgive()
        self.revive(why)

    def forgive(self) -> None:
        """Begin at the foot of the ladder."""
        self.needs_login = False
        self.ladder.forgive()
        self._tell_quarantine()

    def wait_for_hook(self, delay: float) -> None:
        """The hook may run in `delay` seconds; try it again then."""
        self._set_alarm(delay, lambda: self.take(Hook(wait=True)))

    def cancel_step(self) -> None:
        """Forget the step that was planned."""
        self.deferred = None
        self.next_attempt = None
        self.holding = False
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def tell(self, kind: Kind, to: str, **facts: object) -> None:
        """Put an event of this account on record."""
        self._crew.note(self, kind, to, **facts)

    def _hold(self, delay: float) -> None:
        def probe() -> None:
            self._crew.forgive_token(self)
            self.revive("probe", stale=self.cause is Cause.RIVAL)

        self._set_alarm(delay, probe)
        self.holding = True

    def _need_login(self) -> None:
        if not self.needs_login:
            self.needs_login = True
            self.tell("refresh", "needs_login", cause=self.cause)

    def _grace_over(self) -> None:
        if self.state is State.FAILED:
            self.take(self.ladder.still_failed())

    def _set_alarm(self, delay: float, action: Callable[[], None], *, shown: bool = True) -> None:
        def ring() -> None:
            self._alarm = None
            self.next_attempt = None
            action()

        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(delay, ring)
        self.next_attempt = time.time() + delay if shown else None
