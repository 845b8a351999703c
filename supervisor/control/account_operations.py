"""What operators do to accounts: stop, restart, reconnect, log in. Shell."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Final

from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.common.stretches import Stretches
from xyfleet.supervisor.control.many import make_sure
from xyfleet.supervisor.control.types import Action, Outcome
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.account_state import Wish
from xyfleet.supervisor.supervision.fleet import Fleet

BEING_REMOVED: Final = Text(N_("it was removed from the accounts file, and is on its way out"))
BEING_FORGOTTEN: Final = Text(N_("it is being forgotten just now"))


class AccountOperations:
    """Does it, over the running fleet. `forgetting`: accounts whose files are being deleted."""

    def __init__(self, fleet: Fleet, forgetting: Collection[str]) -> None:
        self._fleet = fleet
        self._forgetting = forgetting

    def _goes_on_by_itself(self, member: SupervisedAccount) -> bool:
        """Whether the account waits for an outage's end only. Who is stopped waits for his operator."""
        return member.condition.wish is Wish.RUN and any(self._fleet.recovery.gates(member))

    async def act(self, action: Action, chosen: Sequence[SupervisedAccount], by: str, *, sure: bool) -> Outcome:
        """Do `action` to the accounts; `stop` returns when they are closed. Raises `Refused`."""
        outcome, stretches = Outcome([], {}), Stretches()
        willing = [member for member in chosen if self._refusal(action, member) is None]
        if not sure:
            make_sure(action, sum(self._goes_on_by_itself(member) for member in willing))
        self._remember_wishes(action, willing, by)
        for member in chosen:
            refusal = self._refusal(action, member) or self._do(action, member)
            if refusal is None:
                outcome.done.append(member.name)
                self._fleet.record.account(member, "operator", action, by=by)
            else:
                outcome.refused[member.name] = refusal
            await stretches.pause()
        if action == "stop":
            if outcome.done:
                await self._fleet.store.saved(outcome.done[0])  # on disk before it is said to be done
            for member in chosen:
                if member.name not in outcome.refused:
                    await member.slot.wait_gone()
        return outcome

    def _remember_wishes(self, action: Action, members: Sequence[SupervisedAccount], by: str) -> None:
        """Have it stored who is to stay stopped: once for all of them, for all are in one file."""
        if action == "stop":
            now = time.time()
            self._fleet.store.book.set_stopped([member.name for member in members], by, now)
            for member in members:
                member.stopped_by = f"{by} {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now))}"
        elif action == "restart":
            self.want(members)

    def _refusal(self, action: Action, member: SupervisedAccount) -> Text | None:
        """Return why an account takes no such order now, whatever its condition is."""
        if member.condition.wish is Wish.REMOVED:
            return BEING_REMOVED
        if action != "stop" and not member.account.enabled:
            return Text(N_("it is disabled in the accounts file (enabled: false)"))
        if member.name in self._forgetting:
            return BEING_FORGOTTEN
        return None

    def _do(self, action: Action, member: SupervisedAccount) -> Text | None:
        match action:
            case "stop":
                member.happened(Event(kind=Kind.UNWANT))
            case "restart":
                member.happened(Event(kind=Kind.RESTART, why="operator"))
            case "reconnect":
                return self._reconnect(member)
            case "refresh":
                return self._refresh(member)
        return None

    def want(self, members: Sequence[SupervisedAccount]) -> None:
        """Accounts are to run from now on; whether their workers are started anew is the caller's part."""
        for member in members:
            self._fleet.logins.adopt_again(member)
            member.stopped_by = None
        self._fleet.store.book.set_running([member.name for member in members])

    def _reconnect(self, member: SupervisedAccount) -> Text | None:
        if not member.wanted:
            return Text(N_("it is stopped; xyfleet restart %(name)s starts it"), {"name": member.name})
        member.happened(Event(kind=Kind.RECONNECT))
        return None

    def _refresh(self, member: SupervisedAccount) -> Text | None:
        if not member.wanted:
            return Text(N_("it is stopped; xyfleet restart %(name)s starts it"), {"name": member.name})
        refusal = self._fleet.logins.refusal(member)
        if refusal is None:
            self._fleet.forget_person(member.name)
            member.happened(Event(kind=Kind.REFRESH))
        return refusal
