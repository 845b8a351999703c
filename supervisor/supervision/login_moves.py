"""The moves of the table `transitions` about logins, outages and the clock. Pure.

What moves are made of: `condition_editor`.
"""

from __future__ import annotations

from typing import Final

from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account_events import Event
from xyfleet.supervisor.supervision.account_state import Login, Wish, Worker
from xyfleet.supervisor.supervision.condition_editor import ConditionEditor
from xyfleet.supervisor.supervision.restart_policy import PROXY_WAIT
from xyfleet.worker.causes import Cause

_LEAST_WAIT: Final = 1.0
"""Seconds between a hook that failed and the next one, whatever its settings say."""


class LoginMoves(ConditionEditor):
    """What becomes of the login, and what waited for others or for the clock."""

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
                self._set(user=True, hold=None)
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
        if self._it.hold is not None:
            self._hold_on()
        elif needed:
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
            self._outage_is_over()
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
