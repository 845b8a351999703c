"""Messages as lines that people read. Pure."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Final, NamedTuple

from xyfleet.supervisor.common.i18n import N_, tr
from xyfleet.supervisor.common.timestamps import clock
from xyfleet.supervisor.presentation.terminal import GREEN, GREY, RED, YELLOW, Piece, draw, printable
from xyfleet.worker.protocol.message import Message

_KINDS: Final[dict[str, str]] = {
    "image": N_("[image]"),
    "card": N_("[card]"),
    "system": N_("[system]"),
    "receipt": N_("[read]"),
    "recall": N_("[recalled]"),
    "order": N_("[order]"),
    "unknown": N_("[unknown]"),
}
_ORDERS: Final[dict[str, str]] = {
    "created": N_("order %(order)s placed:"),
    "paid": N_("order %(order)s paid:"),
    "shipped": N_("order %(order)s shipped:"),
    "received": N_("order %(order)s received:"),
    "closed": N_("order %(order)s closed:"),
    "refunding": N_("order %(order)s, refund asked for:"),
    "refunded": N_("order %(order)s refunded:"),
    "reviewed": N_("order %(order)s reviewed:"),
}
"""By `order_status`; the order's id may be unknown."""
_DEAD: Final = {
    "failed": N_("failed at call %(n)d of the handler: %(why)s"),
    "parked": N_("parked at call %(n)d of the handler: %(why)s"),
}


class Shown(Message, frozen=True, kw_only=True):
    """A message as the API lists it."""

    state: str | None = None
    """Of a dead letter."""
    reason: str | None = None


class MessageStyle(NamedTuple):
    """How a line is to look."""

    language: str
    zone: tzinfo | None = None
    """None = this machine's own."""
    colour: bool = False
    width: int | None = None
    """Cells of a line, None = as long as they get."""


def plain(text: str) -> str:
    """Return `text` in one line, without what could steer a terminal."""
    return printable(" ".join(text.split()), instead="")


def said(message: Message, language: str) -> str:
    """Return what a message is and says."""
    kind = tr(language, _KINDS.get(message.kind, "")) + " " if message.kind in _KINDS else ""
    if message.order_status is not None:
        kind += tr(language, _ORDERS[message.order_status]) % {"order": plain(message.order or "?")} + " "
    return f"{kind}{plain(message.text)}"


def lines(message: Shown, look: MessageStyle, now: datetime) -> list[str]:
    """Return when, whose, with whom and what; of a dead letter, in a second line, why."""
    who = plain(message.sender_name or message.sender or "-")
    pieces: list[Piece] = [
        (clock(message.time, look.zone, now), GREY),
        (f"  {message.account}  {plain(message.conversation or '-')}  ", ""),
        (f"{who} →" if message.own else f"{who} ←", GREEN if message.own else YELLOW),
        (f" {said(message, look.language)}", ""),
    ]
    shown = [draw(pieces, colour=look.colour, width=look.width)]
    if message.state is not None:
        text = tr(look.language, _DEAD.get(message.state, _DEAD["failed"]))
        why = text % {"n": message.attempt, "why": plain(message.reason or "-")}
        shown.append(draw([("    " + why, RED)], colour=look.colour, width=look.width))
    return shown
