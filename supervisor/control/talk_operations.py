"""What operators ask about conversations: lists, histories, opening, reading, recalling. Shell."""

from __future__ import annotations

from typing import Final

from xyfleet.supervisor.common.errors import NotPossible
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.worker.ipc.talks import RecallMessage, TalkAnswer, TalkQuestion, changes
from xyfleet.worker.states import State

_UNDONE: Final = {
    "offline": N_("%(name)s is not connected, so nothing can be asked there; xyfleet status %(name)s says why"),
    "busy": N_("the platform asks to wait (%(why)s), nothing was changed; try again in a minute"),
    "late": N_("the platform did not answer in time, nothing was changed; try again later"),
    "crowded": N_("too many questions wait for %(name)s already, nothing was changed; try again in a minute"),
    "stopped": N_("the worker of %(name)s ended before it asked, nothing was changed; try again"),
    "foreign": N_("%(message)s is not a message of %(name)s: only own ones can be recalled"),
    "fault": N_("nothing was found out: %(why)s"),
    "rejected": N_("the platform refused it: %(why)s"),
}
"""By state: what is said where it is certain that nothing was changed."""


async def ask(fleet: Fleet, member: SupervisedAccount, question: TalkQuestion) -> TalkAnswer:
    """
    Ask the platform through an account's connection; what may have changed something is an answer in any case.

    Raises:
        NotPossible: nothing was changed, or nothing found out.
    """
    answer = TalkAnswer(state="offline")
    if member.child is not None and not member.slot.stopping and member.state is State.CONNECTED:
        answer = await fleet.mail.talks.ask(member.child, question)
    if answer.state in _UNDONE and not (answer.state == "rejected" and changes(question)):
        message = question.message if isinstance(question, RecallMessage) else ""
        values = {"name": member.name, "why": answer.reason or "-", "message": message}
        raise NotPossible(Text(_UNDONE[answer.state], values))
    return answer
