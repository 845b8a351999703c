"""The moves of the table `transitions` that tell of the worker: it starts, connects, fails, ends. Pure.

What moves are made of: `condition_editor`.
"""

from __future__ import annotations

from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account_events import Event
from xyfleet.supervisor.supervision.account_state import Login, Worker
from xyfleet.supervisor.supervision.condition_editor import NO_START, ConditionEditor
from xyfleet.supervisor.supervision.restart_policy import HOLDS
from xyfleet.worker.causes import Cause


class WorkerMoves(ConditionEditor):
    """What becomes of the worker."""

    def turn(self, event: Event) -> None:
        """The start queue has come to it."""
        number = self._number()
        self._set(worker=Worker.STARTING, start=number)

    def spawned(self, event: Event) -> None:
        """Its worker lives."""
        self._set(worker=Worker.LIVE, start=None, up=False, failed=None)

    def spawn_failed(self, event: Event) -> None:
        """No worker could be started: counted as if it had ended at once."""
        self._set(worker=Worker.NONE, start=None)
        self._count_restart("exit", event.reason)

    def connected(self, event: Event) -> None:
        """The connection is up: whatever was believed of the login, it works."""
        self._cancel_timer_of("restart", "grace", "hold", "healthy")
        if self._it.login is Login.HOOK_WAITING and not (self._it.asked and self._it.waits_for == "place"):
            self._cancel_hook()
        if self._it.login in (Login.HELD, Login.PERSON):
            self._set(login=Login.FINE, person=None)
        healthy = self._now if self._it.healthy_since is None else self._it.healthy_since
        self._set(up=True, failed=None, hold=None, healthy_since=healthy)
        if self._it.crashes:
            self._set_timer("healthy", self._rules.healthy_after)

    def lost(self, event: Event) -> None:
        """The connection ended; the worker dials again by itself."""
        self._settle()
        self._cancel_timer_of("healthy")
        self._set(cause=event.cause or self._it.cause)

    def fail(self, event: Event) -> None:
        """The worker is FAILED: the ladder's next step, when no outage is to blame."""
        cause = event.cause or Cause.BUG
        in_grace = self._it.timer is not None and self._it.timer.kind == "grace"
        self._settle()
        self._set(failed=cause, cause=cause)
        if self._it.login is not Login.FINE:
            return
        if cause in HOLDS:
            self._hold(cause)
        elif cause is Cause.AUTH:
            self._cancel_timer()
            self._ask_hook(needed=True)
        elif in_grace or self._it.reach_gate:
            return
        elif not self._it.login_gate:
            self._climb(cause, event.reason)
        elif cause is not Cause.REFUSED:
            # The outage is of logins: with the token in hand it may get in, and another one is not to be had.
            self._again(self._count(), why="failed")

    def dials(self, event: Event) -> None:
        """A worker that was FAILED dials again."""
        self._set(failed=None)

    def outgrown(self, event: Event) -> None:
        """It needs too much memory: a polite restart, but not while an outage would keep the next one off the air."""
        if not self._it.reach_gate:
            self._again(self._count(), why="memory", reason=event.reason)

    def foreign(self, event: Event) -> None:
        """It runs another program than ours: it ends, and none follows."""
        self._stop(None)

    def gone(self, event: Event) -> None:
        """The worker ended, and nobody had asked for it."""
        self._settle()
        self._cancel_timer_of("grace", "healthy")
        self._set(worker=Worker.NONE, failed=None)
        self.actions.append(do.CancelTicket())
        if self._it.login in NO_START:
            self.actions.append(do.Note("restart", "stopped", event.why, event.reason))
        elif event.why == "forkserver":
            self._note_restart(0.0, "forkserver")
            self._go(0.0)
        else:
            self._count_restart(event.why or "exit", event.reason)

    def stopped(self, event: Event) -> None:
        """The worker that was to end is gone."""
        delay = self._it.then
        self._settle()
        self._set(worker=Worker.NONE, then=None, failed=None)
        if delay is not None:
            self._go(delay)
