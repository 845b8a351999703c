"""The moves of the table `transitions` that are the owner's word: run, stop, settings, a login wanted or given. Pure.

What moves are made of: `condition_editor`.
"""

from __future__ import annotations

from xyfleet.supervisor.supervision import account_events as do
from xyfleet.supervisor.supervision.account_events import Event
from xyfleet.supervisor.supervision.account_state import Condition, Login, Wish, Worker
from xyfleet.supervisor.supervision.condition_editor import NO_START, ConditionEditor
from xyfleet.worker.causes import Cause


class OwnerMoves(ConditionEditor):
    """What the owner wants."""

    def begin(self, event: Event) -> None:
        """The supervisor meets the account: its worker is to be started, unless the one before held it still."""
        if self._it.login is Login.HELD:
            self._hold_on()
        if self._it.waits_for == "outage" and not self._hooks_shut():
            self._outage_is_over()
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
        # What it was held for is over with a login only: without one it is held on (`_no_login_came`).
        self._set(login=Login.FINE, person=None)
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
        if self._it.hold is not None and self._it.login in (Login.FINE, Login.HELD):
            self._hold_on()
        elif self._it.login is not Login.PERSON:
            self._again(self._count(), why="fault", reason=event.reason)
