"""What a person should know of the fleet as a whole, whoever's trouble it is. Pure."""

from __future__ import annotations

from typing import Final

from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.common.reason_texts import said
from xyfleet.supervisor.credentials.browser_changes import changes
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.worker.reasons import Reason

_CLOCK: Final = {
    "ahead": N_(
        "this machine's clock is %(seconds)d s ahead of the server's; messages go by the server's time, events and logs"
        " by this one: set the clock, a time service such as chrony keeps it right"
    ),
    "behind": N_(
        "this machine's clock is %(seconds)d s behind the server's; messages go by the server's time, events and logs"
        " by this one: set the clock, a time service such as chrony keeps it right"
    ),
}


def notes_of(fleet: Fleet) -> list[Text]:
    """Return what a person should know of a fleet as a whole."""
    notes = [*fleet.notes.values(), *fleet.store.notes()]
    troubled = [m.report.note for m in fleet.members.values() if m.report is not None and m.report.note]
    if troubled:
        text = N_("%(count)d workers have a trouble of their own, the first one says: %(why)s")
        notes.append(Text(text, {"count": len(troubled), "why": said(troubled[0])}))
    for side, seconds in fleet.clock.size().items():
        notes.append(Text(_CLOCK[side], {"seconds": seconds}))
    odd = [member for member in fleet.members.values() if member.impossible]
    if odd:
        text = N_("%(count)d events that can't happen, first in %(name)s: xyfleet events %(name)s --trace has them")
        notes.append(Text(text, {"count": sum(member.impossible for member in odd), "name": odd[0].name}))
    if strange := [member.name for member in fleet.members.values() if fleet.drift_of(member)]:
        text = N_(
            "the platform sends what this version does not know (to %(count)d accounts); please report what"
            " xyfleet wire-report %(name)s shows, which has no texts and no ids"
        )
        notes.append(Text(text, {"count": len(strange), "name": strange[0]}))
    accounts = ((name, fleet.store.get(name), member.account.identity) for name, member in fleet.members.items())
    if (browsers := changes(accounts)) is not None:
        notes.append(browsers)
    why = said(Reason("disk_silent")) if fleet.events.stuck() else fleet.events.problem
    if why is not None:
        notes.append(Text(N_("events can't be written to disk: %(why)s"), {"why": why}))
    return notes
