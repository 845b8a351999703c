"""The pieces that moves of an account's condition are made of: start, stop, hook, hold, timer, count. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account_events import Action
from xyfleet.supervisor.supervision.account_state import (
    HOUR,
    Condition,
    Hold,
    Login,
    Person,
    Timer,
    TimerKind,
    WaitsFor,
    Wish,
    Worker,
)
from xyfleet.supervisor.supervision.restart_policy import (
    HOPELESS_FOR_LOGIN,
    MOST_CRASHES,
    RestartRules,
    hold_time,
    restart_window,
    unanswered,
)
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason

HOOK: Final = (Login.HOOK_WAITING, Login.HOOK_RUNNING)
NO_START: Final = (*HOOK, Login.HELD, Login.PERSON)
"""While the login stands so, a worker that ended is not started again: there is nothing that it could dial with."""


class ConditionEditor:
    """A condition on its way to the next; what is to be done outside gathers in `actions`."""

    def __init__(self, it: Condition, now: float, rules: RestartRules, luck: float) -> None:
        self.actions: list[Action] = []
        self._it = it
        self._now = now
        self._rules = rules
        self._luck = luck

    def after(self) -> Condition:
        """Return the condition as it is now."""
        return self._it

    def _set(self, **changes: Any) -> None:
        self._it = msgspec.structs.replace(self._it, **changes)

    def _number(self) -> int:
        self._set(last_number=self._it.last_number + 1)
        return self._it.last_number

    def _end(self, wish: Wish) -> None:
        """Stop everything that is under way for the account."""
        self._set(wish=wish)
        self._cancel_timer()
        self._cancel_hook()
        self.actions.append(do.CancelTicket())
        if self._it.worker is Worker.QUEUED:
            self._set(worker=Worker.NONE)
            self.actions.append(do.Unqueue())
        else:
            self._stop(None)

    def _go(self, delay: float) -> None:
        """Have a worker started after `delay` seconds, unless there is one, or something else has to come first."""
        it = self._it
        if it.wish is not Wish.RUN or it.login in NO_START:
            return
        if it.worker is Worker.STOPPING:
            self._set(then=delay)
        elif it.worker is not Worker.NONE:
            return
        elif delay > 0:
            self._set_timer("restart", delay)
        elif not it.user:
            self._ask_hook(needed=True)
        elif not it.reach_gate:
            self._cancel_timer()
            self._set(worker=Worker.QUEUED)
            self.actions.append(do.Queue())

    def _stop(self, then: float | None) -> None:
        """End the worker, if there is one; `then`: delay of the next start."""
        if self._it.worker is Worker.LIVE:
            self._set(worker=Worker.STOPPING, then=then, up=False)
            self.actions += [do.CancelTicket(), do.Stop()]
        elif self._it.worker is Worker.STARTING:
            self._set(worker=Worker.NONE, start=None)
            self.actions.append(do.StrikeOut())
            if then is not None:
                self._go(then)
        elif self._it.worker is Worker.STOPPING:
            self._set(then=then)

    def _again(self, delay: float, why: str | None = None, reason: Reason | None = None, *, void: bool = False) -> None:
        """Replace the worker by another after `delay` seconds."""
        if why is not None:
            self._note_restart(delay, why, reason)
        if void:
            self.actions.append(do.VoidToken())
        self._cancel_timer_of("restart", "grace", "healthy")
        if self._it.worker is Worker.NONE:
            self._go(delay)
        elif self._it.worker is not Worker.QUEUED:
            self._stop(delay)

    def _replace(self, why: str) -> None:
        """Replace the worker by another because somebody wants that: on record where there is one to be replaced."""
        if self._it.worker in (Worker.STARTING, Worker.LIVE):
            self._note_restart(0.0, why)
        self._again(0.0)

    def _revive(self, why: str, *, drop: bool, stale: bool) -> None:
        """Have the worker dial now, or one started; FAILED still after the grace means a restart."""
        if self._it.worker is Worker.LIVE:
            self.actions.append(do.Reconnect(why, drop, stale))
            if self._it.failed is not None:
                self._set_timer("grace", self._rules.failed_grace)
        else:
            self._cancel_timer_of("restart")
            self._go(0.0)

    def _climb(self, cause: Cause, reason: Reason | None) -> None:
        no_answer = unanswered(cause, reason)
        fresh = self._it.fresh_restart_at
        if fresh is None or self._now - fresh > HOUR:
            self._set(fresh_restart_at=self._now)
            self._again(0.0, why="failed", void=not no_answer)
        elif no_answer or cause in HOPELESS_FOR_LOGIN or not self._rules.has_hook:
            self._again(self._count(), why="failed", void=not no_answer)
        else:
            self._ask_hook(needed=False)

    def _hold(self, cause: Cause) -> None:
        length = hold_time(cause, self._it.hold_level)
        hold = Hold(cause=cause, until=self._now + length)
        level = min(self._it.hold_level + 1, 16)
        self._set(login=Login.HELD, hold=hold, hold_level=level, held_for=length)
        self._set_timer("hold", length)

    def _hold_on(self) -> None:
        """It is left alone for as long as was said before."""
        assert self._it.hold is not None, "held for something"
        self._set(login=Login.HELD)
        self._set_timer("hold", max(0.0, self._it.hold.until - self._now))

    def _ask_hook(self, *, needed: bool, asked: bool = False) -> None:
        if self._hooks_shut() and not asked:
            self._set(login=Login.HOOK_WAITING, waits_for="outage", hook_needed=needed, asked=False)
        elif not self._rules.has_hook:
            self._need_person("no_hook")
        else:
            number = self._number()
            self._set(login=Login.HOOK_WAITING, waits_for="place", hook_needed=needed, asked=asked, hook=number)
            self.actions.append(do.AskHook(number, self._it.cause))

    def _wait_for_hook(self, waits_for: WaitsFor, wait: float, *, needed: bool, asked: bool) -> None:
        self._set(login=Login.HOOK_WAITING, waits_for=waits_for, hook_needed=needed, asked=asked)
        self._set_timer("hook", wait)

    def _need_person(self, why: Person) -> None:
        if self._it.up:
            return
        self._set(login=Login.PERSON, person=why, hold=None)
        self.actions.append(do.Note("refresh", "needs_login", cause=self._it.cause))

    def _hooks_shut(self) -> bool:
        return self._it.reach_gate or self._it.login_gate

    def _outage_is_over(self) -> None:
        """The session that he has may be good by now: only who is told again that it is dead logs in."""
        self._set(login=Login.FINE, waits_for=None, hook_needed=False)
        self.actions.append(do.ForgiveToken())

    def _cancel_hook(self) -> None:
        if self._it.login in HOOK:
            if self._it.hook is not None:
                self.actions.append(do.CancelHook())
            self._cancel_timer_of("hook")
            self._set(login=Login.FINE, waits_for=None, hook=None, hook_needed=False, asked=False)

    def _forgive(self) -> None:
        """Begin at the foot of the ladder. A hook that runs goes on: a login is paid for."""
        if self._it.login is Login.HOOK_WAITING:
            self._cancel_hook()
        if self._it.login in (Login.HELD, Login.PERSON):
            self._set(login=Login.FINE, person=None)
        self._cancel_timer()
        self._set(hold=None, fresh_restart_at=None, hold_level=0, held_for=0.0)
        self._end_quarantine()
        self.actions.append(do.ForgiveToken())

    def _settle(self) -> None:
        """The connection ended, or the process did: settle what the healthy time earned."""
        since = self._it.healthy_since
        healthy = 0.0 if since is None else self._now - since
        self._set(healthy_since=None, up=False)
        if healthy >= self._rules.healthy_after:
            self._end_quarantine()
        if healthy > self._it.held_for:
            self._set(hold_level=0, held_for=0.0)

    def _count(self) -> float:
        """Count a restart and return its delay: none for the first, then full jitter in a doubling window."""
        before = self._it.window
        window = restart_window(self._it.crashes, self._rules)
        self._set(crashes=min(self._it.crashes + 1, MOST_CRASHES), window=window)
        if before < self._rules.quarantine_from <= window:
            self.actions.append(do.Note("quarantine", "quarantined"))
        return self._luck * window

    def _count_restart(self, why: str, reason: Reason | None) -> None:
        delay = self._count()
        self._note_restart(delay, why, reason)
        self._go(delay)

    def _note_restart(self, delay: float, why: str, reason: Reason | None = None) -> None:
        self.actions.append(do.Note("restart", "backoff" if delay > 0 else "starting", why, reason))

    def _end_quarantine(self) -> None:
        if self._it.window >= self._rules.quarantine_from:
            self.actions.append(do.Note("quarantine", "released"))
        self._set(crashes=0, window=0.0)

    def _set_timer(self, kind: TimerKind, delay: float) -> None:
        number = self._number()
        self._set(timer=Timer(number=number, kind=kind, at=self._now + delay))
        self.actions.append(do.SetTimer(number, self._now + delay, kind))

    def _cancel_timer(self) -> None:
        if self._it.timer is not None:
            self._set(timer=None)
            self.actions.append(do.CancelTimer())

    def _cancel_timer_of(self, *kinds: TimerKind) -> None:
        if self._it.timer is not None and self._it.timer.kind in kinds:
            self._cancel_timer()
