"""Whether a command for many accounts may be a mistake: in an outage it helps nobody, and a login is a risk. Pure."""

from __future__ import annotations

from typing import Final

from xyfleet.supervisor.common.errors import NotConfirmed
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.control.types import Action

MANY: Final = 5
"""So many accounts in an outage are touched without a question."""
_ASKS: Final[dict[Action, str]] = {
    "restart": N_(
        "%(count)d of these accounts are in an outage and go on by themselves when it is over; a restart helps none of"
        " them. Nothing was done. If it is meant: --yes"
    ),
    "refresh": N_(
        "%(count)d of these accounts are in an outage and go on by themselves when it is over; a login of each would"
        " put all of them at risk. Nothing was done. If it is meant: --yes"
    ),
}


def make_sure(action: Action, in_outage: int) -> None:
    """Raise `NotConfirmed` for what nobody said is meant, for so many accounts in an outage."""
    text = _ASKS.get(action)
    if text is not None and in_outage > MANY:
        raise NotConfirmed(Text(text, {"count": in_outage}), count=in_outage)
