"""One connection, as questions about conversations use it: paced lists, and changes that are asked once. Shell."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from xyfleet.worker.connection.interfaces import RpcChannel
from xyfleet.worker.connection.rpc import ChannelClosed, NeverWritten, NoAnswer
from xyfleet.worker.ipc.talks import TalkAnswer, TalkState
from xyfleet.worker.messaging.catchup_plan import next_cursor
from xyfleet.worker.messaging.catchup_session import CatchUpSession
from xyfleet.worker.protocol import im_calls, talk_calls
from xyfleet.worker.protocol.frames import NOT_REGISTERED, Response
from xyfleet.worker.protocol.im_calls import NEWEST, Page
from xyfleet.worker.protocol.talk_calls import Done, NotNow, Refusal, Unsure
from xyfleet.worker.text import cut

Listed = TypeVar("Listed")

SPARE_PAGES: Final = 5
"""Pages of a list beyond those that were wanted, when entries of some could not be read."""
_LOST: Final = "the connection was lost before the answer came"
_NO_ANSWER: Final = "no answer came in time"


class TalkPace(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. Rules, not settings; values so that tests can scale them."""

    deadline: float = 60.0
    """For one question, its wait for its turn too."""
    list_wait: float = 3.0
    """After the registration: sooner, list calls only meet flow control."""
    list_gap: float = 0.3
    """Between two list calls."""
    busy_waits: tuple[float, ...] = (2.0, 4.0, 6.0)
    """Waits after the answers to lists that say: not now."""
    jitter: float = 0.2
    """Share by which a gap may be longer."""


class Ended(Exception):
    """A question has its answer before its time."""

    def __init__(self, state: TalkState, reason: str | None = None) -> None:
        super().__init__(state)
        self.answer = TalkAnswer(state=state, reason=None if reason is None else cut(reason))


class UnknownCall(Ended):
    """The server knows no such call."""


class Errand:
    """One question on its way."""

    def __init__(self) -> None:
        self.touched = False
        """Whether something was changed, or may have been: no answer tells yet."""

    def broken_off(self, state: TalkState) -> TalkAnswer:
        """Return what is known of it when it ends in the middle; `state` says why, where nothing was changed."""
        return TalkAnswer(state="unknown", reason=_NO_ANSWER) if self.touched else TalkAnswer(state=state)


class TalkLine:
    """
    Calls on one connection, one at a time. All raise `Ended`, or `ChannelClosed` when the connection is gone.

    Args:
        clean: Takes secrets out of foreign words.
    """

    def __init__(self, line: RpcChannel, pace: TalkPace, clean: Callable[[str], str]) -> None:
        self._visit = CatchUpSession(line)
        self._pace = pace
        self._clean = clean
        self._listable = asyncio.get_running_loop().time() + pace.list_wait
        self._resting = False
        self._changing = asyncio.Lock()

    def over(self) -> None:
        """The connection is gone."""
        self._visit.ring(over=True)

    async def rest(self) -> None:
        """Change nothing more on this connection; return when nothing is being changed: its end leaves it known."""
        self._resting = True
        async with self._changing:
            pass

    async def listed(
        self,
        call: tuple[str, str],
        body: Callable[[int, int], object],
        read: Callable[[Any], Listed | None],
        limit: int,
        size: int,
        enough: Callable[[Listed], bool] = lambda _: False,
    ) -> tuple[list[Listed], bool]:
        """
        Return the newest entries of a list, newest first, and whether there are older ones.

        Args:
            call: Its lwp, and the name under which its answers have their entries.
            body: Makes the body of a call from a cursor and a number of entries.
            read: Reads an entry; None = it is none.
            limit: So many entries are wanted, `size` at most with each call.
            enough: Whether nothing behind an entry is wanted.
        """
        found, cursor, more = list[Listed](), NEWEST, False
        for _ in range(-(-limit // size) + SPARE_PAGES):
            page = await self._page(*call, body(cursor, min(size, limit - len(found))))
            kept = await _each(read, page.entries)
            more = page.more or len(found) + len(kept) > limit
            found = [*found, *kept][:limit]
            following = next_cursor(page, cursor, None)
            if following is None or len(found) == limit or any(map(enough, kept)):
                break
            cursor = following
        return found, more

    async def _page(self, lwp: str, name: str, body: object) -> Page:
        for wait in (*self._pace.busy_waits, None):
            await self._in_time()
            try:
                response = await self._visit.line.ask(lwp, body)
                if response.code == NOT_REGISTERED:
                    raise ChannelClosed
                answer = im_calls.page_of(response, name)
            except NoAnswer:
                answer = im_calls.Answer(_NO_ANSWER, busy=True)
            if isinstance(answer, Page):
                return answer
            if not answer.busy:
                raise Ended("rejected", self._clean(answer.reason))
            if wait is None:
                raise Ended("busy", answer.reason)
            await self._visit.sleep(wait)
        raise AssertionError("unreachable")

    async def _in_time(self) -> None:
        """Wait until the next list may be asked for."""
        await self._visit.sleep(max(0.0, self._listable - asyncio.get_running_loop().time()))
        await self._visit.pace(self._gap(self._pace.list_gap))

    def _gap(self, seconds: float) -> float:
        return seconds * (1 + self._pace.jitter * random.random())

    async def change(self, errand: Errand, lwp: str, body: object, gap: float) -> Response:
        """
        Return the good answer to a call that changes something. It is made once.

        Args:
            gap: Seconds since the last call, at least.
        """
        await self._visit.pace(self._gap(gap))
        before = errand.touched
        async with self._changing:
            response = await self._changed(errand, lwp, body)
        ending = talk_calls.ending(response)
        if isinstance(ending, Done):
            return response
        errand.touched = before or isinstance(ending, Unsure)
        if response.code == NOT_REGISTERED:
            raise ChannelClosed
        raise self._bad(ending, before)

    async def _changed(self, errand: Errand, lwp: str, body: object) -> Response:
        if self._resting:
            raise ChannelClosed
        before, errand.touched = errand.touched, True
        try:
            return await self._visit.line.ask(lwp, body)
        except NeverWritten:
            errand.touched = before
            raise
        except ChannelClosed:
            raise Ended("unknown", _LOST) from None
        except NoAnswer:
            raise Ended("unknown", _NO_ANSWER) from None

    def _bad(self, ending: Refusal | NotNow | Unsure, touched: bool) -> Ended:
        reason = self._clean(ending.reason)
        match ending:
            case Refusal():
                return UnknownCall("rejected", reason) if ending.unknown_call else Ended("rejected", reason)
            case NotNow():
                return Ended("unknown" if touched else "busy", reason)
            case Unsure():
                return Ended("unknown", reason)


async def _each(read: Callable[[Any], Listed | None], entries: list[Any]) -> list[Listed]:
    """Read a page an entry at a time: all of them take as long as a beat may be late."""
    kept = list[Listed]()
    for entry in entries:
        if (one := read(entry)) is not None:
            kept.append(one)
        await asyncio.sleep(0)
    return kept
