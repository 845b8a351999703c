"""Conversations as lines that people read. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from xyfleet.supervisor.common.i18n import N_, tr
from xyfleet.supervisor.common.timestamps import clock
from xyfleet.supervisor.presentation.message_text import MessageStyle, plain, said
from xyfleet.supervisor.presentation.terminal import GREY, RED, YELLOW, Piece, draw
from xyfleet.worker.protocol.talk_calls import ListedTalk

_UNREAD: Final = N_("(%(n)d unread)")
_EMPTY: Final = N_("(nobody has written yet)")


def line(talk: ListedTalk, look: MessageStyle, now: datetime) -> str:
    """Return when, which, with whom, how many are unread, about what, and the last words."""
    last = talk.last
    unread = tr(look.language, _UNREAD) % {"n": talk.unread} + " " if talk.unread else ""
    words = tr(look.language, _EMPTY)
    if last is not None:
        words = ("→ " if last.own else "← ") + said(last, look.language)
    pieces: list[Piece] = [
        (clock(None if last is None else last.time, look.zone, now), GREY),
        (f"  {plain(talk.conversation)}  ", ""),
        (_who(talk) + "  ", YELLOW),
        (unread, RED),
        (f"[{plain(talk.item_title or talk.item or '-')}]  ", GREY),
        (words, ""),
    ]
    return draw(pieces, colour=look.colour, width=look.width)


def _who(talk: ListedTalk) -> str:
    """Return a name and the user id, which commands want."""
    if talk.peer_name is None:
        return plain(talk.peer or "-")
    return f"{plain(talk.peer_name)} ({plain(talk.peer or '-')})"
