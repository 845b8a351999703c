"""Reads listings on one connection, page by page, for `xyfleet.worker.messaging.catchup`. Shell."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from xyfleet.worker.connection.rpc import NoAnswer
from xyfleet.worker.messaging import catchup_plan
from xyfleet.worker.messaging.catchup_plan import Round, Tempo, Walk
from xyfleet.worker.messaging.catchup_session import CatchUpSession
from xyfleet.worker.protocol import im_calls, items
from xyfleet.worker.protocol.frames import Response
from xyfleet.worker.protocol.im_calls import Answer, Page
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog


class Abandoned(Exception):
    """The server does not answer as it should; `str()` is the reason, `busy` whether it said: not now."""

    def __init__(self, reason: str, busy: bool) -> None:
        super().__init__(reason)
        self.busy = busy


class CatchUpPager:
    """
    Lists conversations, and the messages of one. All raise `Abandoned`, and `LineClosed` when the connection is gone.

    Args:
        me: The account's own user id.
    """

    def __init__(self, visit: CatchUpSession, me: str, log: AccountLog, tempo: Tempo) -> None:
        self.visit = visit
        self._me = me
        self._log = log
        self._tempo = tempo

    async def talks(self, round_: Round, read: Mapping[str, int]) -> None:
        """List conversations for a round, from where it is on; `read`: see `catchup_plan.to_read`."""
        for _ in range(self._tempo.pages):
            if round_.cursor is None:
                return
            page = await self._ask(im_calls.LIST_TALKS, im_calls.list_talks(round_.cursor), im_calls.talks)
            round_.take(page.entries, read)
            oldest = page.entries[-1].modified if page.entries else None
            enough = catchup_plan.listed_enough(page.entries, round_.horizon)
            following = None if enough else catchup_plan.next_cursor(page, round_.cursor, oldest)
            if following is None and page.more and not enough:
                self._say_circle(round_.cursor, page)
                round_.circular = True
            round_.cursor = following

    async def messages(self, horizon: int, walk: Walk) -> tuple[list[IncomingItem], int | None]:
        """Return what is newer than the horizon, newest first, and where to go on if there is more to read."""
        found: list[IncomingItem] = []
        talk, cursor, last = walk.talk, walk.cursor, walk.talk.modified
        for _ in range(self._tempo.pages):
            body = im_calls.list_messages(talk.conversation, cursor)
            page = await self._ask(im_calls.LIST_MESSAGES, body, im_calls.messages)
            listed = (items.listed(entry, talk.conversation, talk.item, self._me) for entry in page.entries)
            fresh, last = catchup_plan.news((one for one in listed if one is not None), horizon, last)
            found += fresh
            if catchup_plan.reached(last, horizon):
                return found, None
            following = catchup_plan.next_cursor(page, cursor, last)
            if following is None and page.more:
                following = self._step(walk, page, cursor, last)
            if following is None:
                return found, None
            cursor = following
        return found, cursor

    def _step(self, walk: Walk, page: Page, cursor: int, last: int | None) -> int | None:
        """Leave a circle, once: as many messages of one millisecond as fill a page lead back to themselves."""
        self._say_circle(cursor, page)
        walk.incomplete = True
        if walk.stepped or last is None:
            return None
        walk.stepped = True
        return min(cursor, last) - 1

    async def _ask(self, lwp: str, body: object, read: Callable[[Response], Page | Answer]) -> Page:
        """Return a page; wait where the server says so."""
        for wait in (*self._tempo.busy_waits, None):
            await self.visit.pace(self._tempo.call_gap)
            try:
                answer = read(await self.visit.line.ask(lwp, body))
            except NoAnswer:
                answer = Answer("no answer", busy=True)
            if isinstance(answer, Page):
                return answer
            if wait is None or not answer.busy:
                raise Abandoned(f"{lwp}: {answer.reason}", answer.busy)
            await self.visit.sleep(wait)
        raise AssertionError("unreachable")

    def _say_circle(self, cursor: int, page: Page) -> None:
        self._log.say(log_texts.CATCH_UP_CIRCLE, cursor=cursor, next=page.cursor)
