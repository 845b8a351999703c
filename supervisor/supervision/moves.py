"""What each entry of the table `transitions` does. Pure.

What they are made of: `condition_editor`.
"""

from __future__ import annotations

from typing import Final

from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account_events import Event
from xyfleet.supervisor.supervision.account_state import (
    Condition,
    Login,
    Wish,
    Worker,
)
from xyfleet.supervisor.supervision.condition_editor import NO_START, ConditionEditor
from xyfleet.supervisor.supervision.restart_policy import (
    HOLDS,
    PROXY_WAIT,
)
from xyfleet.worker.causes import Cause

_LEAST_WAIT: Final = 1.0
"""Seconds between a hook that failed and the next one, whatever its settings say."""


class Move(ConditionEditor):
    """One move."""

    # The owner's word.

    def begin(self, event: Event) -> None:
        """The supervisor meets the account: its worker is to be started, unless the one before held it still."""
        if self._it.login is Login.HELD and self._it.hold is not None:
            self._set_timer("hold", max(0.0, self._it.hold.until - self._now))
        self._go(0.0)

    def want(self, event: Event) -> None:
        """It shall run; where its worker is still being stopped, the next one follows."""
        self._set(wish=Wish.RUN)
        self._forgive()
        self._go(0.0)

    def unwant(self, event: Event) -> None:
        """An operator stops it: whatever it waits for ends."""
        self._end(Wish.STOPPED)

    def disable(self, event: Event) -> None:
        """The file switches it off."""
        self._end(Wish.DISABLED)

    def remove(self, event: Event) -> None:
        """The file does not name it any more."""
        self._end(Wish.REMOVED)

    def restart(self, event: Event) -> None:
        """An operator restarts it, and forgives what was held against it. A login under way is paid for: it goes on."""
        self._forgive()
        self._replace("operator")

    def settings_restart(self, event: Event) -> None:
        """New settings need a new worker; they forgive nothing but a hook that waits for a place."""
        if self._it.login in NO_START and self._it.worker is Worker.NONE:
            return
        self._replace("settings")

    def settings_live(self, event: Event) -> None:
        """New settings that a live worker takes; a hook that is there now helps who waited for a person only for it."""
        if self._it.worker is Worker.LIVE:
            self.actions.append(do.Brief())
        if event.has_hook and self._it.person == "no_hook":
            self._set(person=None)
            self._ask_hook(needed=True)

    def reconnect(self, event: Event) -> None:
        """An operator wants it to dial now."""
        self._forgive()
        self._revive("operator", drop=True, stale=False)

    def refresh(self, event: Event) -> None:
        """An operator wants a login; it is not needed more than he needs it, so a failed one is not repeated."""
        if self._it.wish is not Wish.RUN:
            return
        it = self._it
        needed = it.failed is Cause.AUTH or it.login in (Login.HELD, Login.PERSON) or it.worker is Worker.NONE
        self._cancel_hook()
        self._cancel_timer_of("hold", "hook")
        self._set(login=Login.FINE, hold=None, person=None)
        self._ask_hook(needed=needed, asked=True)

    def cookie(self, event: Event) -> None:
        """There is a new login: whatever held the account back is over, and older answers are worth nothing."""
        self._cancel_hook()
        self.actions.append(do.CancelTicket())
        self._forgive()
        self._set(user=True)
        if self._it.wish is not Wish.RUN:
            return
        self._revive(event.why or "new_cookie", drop=True, stale=True)

    def forget(self, event: Event) -> None:
        """All that was stored about it was deleted."""
        self._cancel_hook()
        self._cancel_timer()
        self.actions.append(do.CancelTicket())
        self._it = Condition(wish=self._it.wish, worker=self._it.worker, user=False, last_number=self._it.last_number)

    def fault(self, event: Event) -> None:
        """Something that it asked for could not be done: it begins anew, counted. A hook that runs goes on."""
        if self._it.login is Login.HOOK_WAITING:
            self._cancel_hook()
        self._cancel_timer()
        if self._it.worker is Worker.QUEUED:
            self._set(worker=Worker.NONE)
            self.actions.append(do.Unqueue())
        if self._it.login is Login.HELD and self._it.hold is not None:
            self._set_timer("hold", max(0.0, self._it.hold.until - self._now))
        elif self._it.login is not Login.PERSON:
            self._again(self._count(), why="fault", reason=event.reason)

    # The worker.

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
            self._set(login=Login.FINE, hold=None, person=None)
        healthy = self._now if self._it.healthy_since is None else self._it.healthy_since
        self._set(up=True, failed=None, healthy_since=healthy)
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
            self._climb(cause)
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

    # The login.

    def hook_started(self, event: Event) -> None:
        """The hook runs."""
        self._set(login=Login.HOOK_RUNNING, waits_for=None, proxy_said=False)
        self.actions.append(do.Note("refresh", "started", cause=self._it.cause))

    def hook_ended(self, event: Event) -> None:
        """What was asked of the hook is answered."""
        ran = self._it.login is Login.HOOK_RUNNING
        needed, asked = self._it.hook_needed, self._it.asked
        self._set(login=Login.FINE, hook=None, waits_for=None, hook_needed=False, asked=False)
        match event.end:
            case "new" | "unchanged" if event.end == "new" or self._it.user:
                to = "succeeded" if event.end == "new" else "unchanged"
                self.actions += [do.Note("refresh", to), do.ForgiveToken()]
                self._set(user=True)
                self._revive("new_credentials", drop=True, stale=True)
            case "person" if needed:
                self.actions.append(do.Note("refresh", "failed", reason=event.reason))
                self._need_person("hook_says")
            case "proxy":
                if not self._it.proxy_said:
                    self.actions.append(do.Note("refresh", "failed", reason=event.reason))
                self._set(proxy_said=True)
                self._wait_for_hook("proxy", PROXY_WAIT, needed=needed, asked=asked)
            case _:
                if ran:
                    self.actions.append(do.Note("refresh", "failed", reason=event.reason))
                self._no_login_came(needed, event.wait)

    def _no_login_came(self, needed: bool, wait: float) -> None:
        """The hook failed, or may not run now: wait for its next chance only when nothing else can help."""
        if self._it.up:
            return
        if needed:
            self._wait_for_hook("cooldown", max(wait, _LEAST_WAIT), needed=True, asked=False)
        elif self._it.worker is not Worker.LIVE:
            self._go(0.0)
        elif self._it.failed is not None:
            self._again(self._count(), why="failed", void=not self._hooks_shut())

    # Everybody's trouble, and the clock.

    def gates(self, event: Event) -> None:
        """An outage begins, is over, or sends this account ahead as its canary."""
        before = self._it
        was_shut = self._hooks_shut()
        self._set(reach_gate=event.reach, login_gate=event.login)
        if before.wish is not Wish.RUN:
            return
        if self._hooks_shut():
            self._keep_hook_for_later()
            self._need_no_person_yet()
        elif was_shut and before.waits_for == "outage":
            # The session that he has may be good by now: only who is told again that it is dead logs in.
            self._set(login=Login.FINE, waits_for=None, hook_needed=False)
            self.actions.append(do.ForgiveToken())
            self._revive("outage_over", drop=False, stale=False)
            return
        if (before.reach_gate and not event.reach) or (was_shut and not self._hooks_shut()):
            self._go_on()

    def _keep_hook_for_later(self) -> None:
        """A hook that waits for a place does not run on in an outage, unless an operator wants it."""
        it = self._it
        if it.waits_for == "place" and not it.asked:
            self._cancel_hook()
            self._set(login=Login.HOOK_WAITING, waits_for="outage", hook_needed=it.hook_needed)

    def _need_no_person_yet(self) -> None:
        """What the platform says to all is no person's business: who has no hook waits for the outage's end."""
        if self._it.person == "no_hook" and self._it.user:
            self._set(login=Login.HOOK_WAITING, person=None, waits_for="outage", hook_needed=True)

    def _go_on(self) -> None:
        """What an outage held back goes on."""
        if self._it.waits_for == "proxy":
            self._cancel_timer_of("hook")
            self._ask_again()
        elif self._it.login is Login.FINE and self._it.failed is not None:
            self._revive("outage_over", drop=False, stale=False)
        elif self._it.timer is None and self._it.worker is Worker.NONE:
            self._go(0.0)

    def _ask_again(self) -> None:
        needed, asked = self._it.hook_needed, self._it.asked
        self._set(login=Login.FINE, waits_for=None)
        self._ask_hook(needed=needed, asked=asked)

    def ring(self, event: Event) -> None:
        """The timer rings."""
        assert self._it.timer is not None
        kind = self._it.timer.kind
        self._set(timer=None)
        match kind:
            case "restart":
                self._go(0.0)
            case "hook":
                self._ask_again()
            case "hold":
                rival = self._it.hold is not None and self._it.hold.cause is Cause.RIVAL
                self._set(login=Login.FINE, hold=None)
                self.actions.append(do.ForgiveToken())
                self._revive("probe", drop=True, stale=rival)
            case "healthy":
                self._end_quarantine()
            case "grace":
                if self._it.failed is not None:
                    self._again(self._count(), why="failed", void=not self._hooks_shut())
