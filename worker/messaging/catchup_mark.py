"""How far earlier rounds of catching up have seen all, kept in the inbox over processes. Shell."""

from __future__ import annotations

from typing import Final

from xyfleet.worker.messaging import catchup_plan
from xyfleet.worker.messaging.catchup_failures import Failures
from xyfleet.worker.messaging.catchup_plan import Round, Tempo
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.operations import Marks

_META: Final = "caught_up"


class CatchUpMark:
    """
    One account's.

    Args:
        tempo: How far behind the mark is read again, and how often a conversation may fail.
    """

    def __init__(self, inbox: AsyncStore, tempo: Tempo) -> None:
        self.read: dict[str, int] = {}
        """At which time of change (ms) a conversation was read to its end, or given up."""
        self._inbox = inbox
        self._overlap = int(tempo.overlap * 1000)
        self._mark: int | None = None
        self._known = False
        self._epoch = 0
        """Changes when the inbox is another one: what a round has seen by then is not in it."""
        self._failures = Failures(tempo.rounds)

    def lost(self) -> None:
        """The inbox was lost: all is to be looked for again, and what the round that is on has seen is in no inbox."""
        self._mark, self.read = None, {}
        self._epoch += 1

    async def begin(self, since: int) -> Round:
        """Return a round that reads down to the mark; what is older than `since` (ms) is not xyfleet's."""
        epoch = self._epoch
        return Round(catchup_plan.horizon(since, await self._load(), self._overlap), epoch)

    async def finish(self, round_: Round, since: int) -> list[str]:
        """
        Note how far all is seen: no farther than before if a conversation could not be read.

        Returns:
            The conversations that were given up just now.
        """
        if round_.epoch != self._epoch:
            return []
        changes, given_up = self._failures.ended(round_)
        hidden = self._failures.hides(round_)
        mark = self._mark if hidden else catchup_plan.mark(round_.newest, round_.listed, self._mark)
        moved, self._mark = mark != self._mark, mark
        below = catchup_plan.horizon(since, mark, self._overlap)
        seen = (talk for talk in round_.talks.values() if talk.conversation not in round_.unread)
        settled = catchup_plan.settled(seen, below, round_.listed, self._overlap)
        self.read = settled | self._failures.given_up
        put = {_META: mark} if mark is not None and moved else {}
        if (put or changes.put or changes.drop) and self._inbox.exists():
            await self._inbox.do(Marks({**put, **changes.put}, changes.drop))
        return given_up

    async def _load(self) -> int | None:
        """Return the mark. An inbox that is not in use stays closed."""
        if not self._known and self._inbox.exists():
            marks = await self._inbox.do(Marks())
            self._mark = marks.get(_META)
            self._failures.load(marks)
            self.read = self._failures.given_up
        self._known = True
        return self._mark
