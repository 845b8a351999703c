"""What one account does next: carries the ladder's steps out, at once, later or when an outage is over. Shell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from xyfleet.supervisor.supervision.restart_policy import Hold, Hook, NeedsLogin, Restart, Revive, Start, Step
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Reconnect
from xyfleet.worker.states import State

if TYPE_CHECKING:
    from xyfleet.supervisor.supervision.account import SupervisedAccount  # which has these steps
    from xyfleet.supervisor.supervision.crew import Crew


class AccountSteps:
    """The steps of one member; at most one is planned. All methods return at once."""

    def __init__(self, member: SupervisedAccount, crew: Crew) -> None:
        self.next_attempt: float | None = None
        """Wall time of the next step that the supervisor takes by itself."""
        self.deferred: Step | None = None
        """A step that an outage holds back."""
        self.needs_login = False
        self.hooking = False
        """Whether the refresh hook runs."""
        self.holding = False
        """Whether it is left alone until a probe (risk control, removal, a rival)."""
        self._member = member
        self._crew = crew
        self._alarm: asyncio.TimerHandle | None = None
        self._quarantined = False

    def climb(self, cause: Cause) -> None:
        """The worker is FAILED for `cause`, and it is its own trouble: take the ladder's next step."""
        self.take(self._member.ladder.failed(time.monotonic(), cause))

    def restart_after(self, why: str, reason: str) -> None:
        """The worker ended by itself, or none could be started: plan the next one's start."""
        step = self._member.ladder.exited(time.monotonic())
        self.note_restart(step.delay, why, reason)
        self.take(step)

    def take(self, step: Step) -> None:
        """Carry a step out, or keep it until the outage is over."""
        member = self._member
        self.cancel()
        if not member.wanted:
            return
        if not isinstance(step, Start | Hold | NeedsLogin) and self._crew.outage.holds(member.name):
            self.deferred = step
            return
        match step:
            case Start(delay):
                member.start(delay)
            case Restart(delay):
                self.note_restart(delay, "failed")
                self._crew.void_token(member)
                member.stop(then=lambda: member.start(delay))
            case Hook(wait):
                self._crew.run_hook(member, member.cause, wait)
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
        member = self._member
        self.cancel()
        if member.child is None:
            member.start()
            return
        member.runner.send(Reconnect(why=why, drop=drop, stale=stale))
        if member.state is State.FAILED:
            self.plan(member.ladder.rules.failed_grace, self._grace_over, shown=False)

    def hook_ended(self, step: Step) -> None:
        """The refresh hook has ended, and this follows from it."""
        self.hooking = False
        self.take(step)

    def wait_for_hook(self, delay: float) -> None:
        """The hook may run in `delay` seconds; try it again then."""
        self.plan(delay, lambda: self.take(Hook(wait=True)))

    def new_cookie(self, why: str) -> None:
        """There are new credentials: whatever held the account back is over."""
        self.forgive()
        self.revive(why)

    def forgive(self) -> None:
        """Begin at the foot of the ladder."""
        self.needs_login = False
        self._member.ladder.forgive()
        self.tell_quarantine()

    def plan(self, delay: float, action: Callable[[], None], *, shown: bool = True) -> None:
        """Have something done in `delay` seconds, instead of what was planned before."""

        def ring() -> None:
            self._alarm = None
            self.next_attempt = None
            action()

        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(delay, ring)
        self.next_attempt = time.time() + delay if shown else None

    def cancel(self) -> None:
        """Forget the step that was planned."""
        self.deferred = None
        self.next_attempt = None
        self.holding = False
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def note_restart(self, delay: float, why: str, reason: str | None = None) -> None:
        """Put on record that a worker is to follow, after `delay` seconds."""
        self._member.tell("restart", "backoff" if delay > 0 else "starting", why=why, reason=reason)
        self.tell_quarantine()

    def tell_quarantine(self) -> None:
        """Put the begin and the end of a quarantine on record, once each."""
        quarantined = self._member.ladder.quarantined
        if quarantined != self._quarantined:
            self._quarantined = quarantined
            self._member.tell("quarantine", "quarantined" if quarantined else "released")

    def _hold(self, delay: float) -> None:
        def probe() -> None:
            self._crew.forgive_token(self._member)
            self.revive("probe", stale=self._member.cause is Cause.RIVAL)

        self.plan(delay, probe)
        self.holding = True

    def _need_login(self) -> None:
        if not self.needs_login:
            self.needs_login = True
            self._member.tell("refresh", "needs_login", cause=self._member.cause)

    def _grace_over(self) -> None:
        if self._member.state is State.FAILED:
            self.take(self._member.ladder.still_failed())


class Process(StrEnum):
    """The supervisor's state of one account."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    REFRESHING = "refreshing"
    QUARANTINED = "quarantined"
    NEEDS_LOGIN = "needs_login"
    STOPPED = "stopped"
    DISABLED = "disabled"
