"""Lines that a buyer writes one after the other become one call: how long is waited, and as what. Shell (timers)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from xyfleet.worker.handlers.ready_queue import Entry
from xyfleet.worker.protocol.message import HandedMessage, Message

LONGEST: Final = 4.0
"""Times `handler_gather` after its first line, a conversation is handed over though more lines come."""


class Gathering:
    """
    The conversations in which further lines are waited for.

    Args:
        hold: Called with a conversation of which no call may begin.
        let_go: Called when one may.
    """

    def __init__(self, hold: Callable[[str], None], let_go: Callable[[str], None]) -> None:
        self._hold = hold
        self._let_go = let_go
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._ends: dict[str, float] = {}

    def heard(self, entry: Entry, seconds: float) -> None:
        """A line has come in; wait so long for another one."""
        loop = asyncio.get_running_loop()
        if (timer := self._timers.pop(entry.talk, None)) is not None:
            timer.cancel()
        end = self._ends.setdefault(entry.talk, loop.time() + LONGEST * seconds)
        self._hold(entry.talk)
        self._timers[entry.talk] = loop.call_at(min(loop.time() + seconds, end), self._over, entry.talk)

    def close(self) -> None:
        """Wait no more."""
        for timer in self._timers.values():
            timer.cancel()

    def _over(self, talk: str) -> None:
        del self._timers[talk], self._ends[talk]
        self._let_go(talk)


def joined(lines: Sequence[Message]) -> HandedMessage:
    """Return the message that stands for all lines: the last one, with all texts, and with them as its parts."""
    last = HandedMessage(**{name: getattr(lines[-1], name) for name in lines[-1].__struct_fields__})
    if len(lines) == 1:
        return last
    texts = [line.text for line in lines if line.kind == "text"]
    return msgspec.structs.replace(
        last,
        kind="text" if texts else last.kind,
        content_type=1 if texts else last.content_type,
        text="\n".join(texts) if texts else last.text,
        attempt=max(line.attempt for line in lines),
        recovered=any(line.recovered for line in lines),
        parts=tuple(lines),
    )
