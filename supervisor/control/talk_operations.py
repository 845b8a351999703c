"""What operators ask about conversations: lists, histories, opening, reading, recalling. Shell."""

from __future__ import annotations

from typing import Final

from xyfleet.supervisor.common.errors import NotPossible
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.credentials.record import Verdict
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.talks import RecallMessage, TalkAnswer, TalkQuestion, changes
from xyfleet.worker.states import State

_UNDONE: Final = {
    "offline": N_("%(name)s is not connected, so nothing can be asked there; xyfleet status %(name)s says why"),
    "busy": N_("the platform asks to wait (%(why)s), nothing was changed; try again in a minute"),
    "late": N_("the platform did not answer in time, nothing was changed; try again later"),
    "crowded": N_("too many questions wait for %(name)s already, nothing was changed; try again in a minute"),
    "stopped": N_("the worker of %(name)s ended before it asked, nothing was changed; try again"),
    "foreign": N_("%(message)s is not a message of %(name)s: only own ones can be recalled"),
    "risk": N_("risk control wants a person to pass a check first: xyfleet status %(name)s says where"),
    "outage": N_("an outage holds the calls of %(name)s back; try again when xyfleet status shows that it is over"),
    "fault": N_("nothing was found out: %(why)s"),
    "rejected": N_("the platform refused it: %(why)s"),
}
"""By state, or by what holds it back: what is said where it is certain that nothing was changed."""


async def ask(fleet: Fleet, member: SupervisedAccount, question: TalkQuestion) -> TalkAnswer:
    """
    Ask the platform through an account's connection; what may have changed something is an answer in any case.

    Raises:
        NotPossible: nothing was changed, or nothing found out.
    """
    if member.child is None or member.slot.stopping or member.state is not State.CONNECTED:
        raise _undone("offline", member.name, question)
    why = held_back(fleet.store.get(member.name).verdict, fleet.recovery.gates(member))
    if why is not None:
        raise _undone(why, member.name, question)
    answer = await fleet.mail.talks.ask(member.child, question)
    if answer.state in _UNDONE and not (answer.state == "rejected" and changes(question)):
        raise _undone(answer.state, member.name, question, answer.reason or "-")
    return answer


def held_back(verdict: Verdict | None, gates: tuple[bool, bool]) -> str | None:
    """Return why a connected account asks nothing: its login is under risk control, or an outage holds calls back."""
    if verdict is not None and verdict.cause is Cause.RISK:
        return "risk"
    return "outage" if any(gates) else None


def _undone(state: str, name: str, question: TalkQuestion, why: str = "-") -> NotPossible:
    message = question.message if isinstance(question, RecallMessage) else ""
    return NotPossible(Text(_UNDONE[state], {"name": name, "why": why, "message": message}))
