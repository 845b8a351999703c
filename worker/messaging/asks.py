"""Asks the platform through the supervisor, which has the cookies, and gives each answer to who waits for it. Shell."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec.structs import replace

from xyfleet.worker.ipc.messages import Answered, Ask, Up
from xyfleet.worker.reasons import Reason

LONGEST: Final = 150.0
"""Seconds after which no answer is expected any more: its turn, and the calls themselves."""
MOST: Final = 50
"""Questions that wait at one time."""
LONGEST_DATA: Final = 3000
"""Bytes of a call's data, its quotes escaped once more; a message to the supervisor has room for no more than 4 KiB."""


class Asks:
    """One account's questions. `send` writes to the supervisor."""

    def __init__(self, send: Callable[[Up], None]) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[Answered]] = {}

    async def ask(self, question: Ask) -> Answered:
        """Return the answer to a question, whose number is given here."""
        number = next(self._numbers)
        if len(self._open) >= MOST:
            return Answered(request=number, reason=Reason("ask_busy", {"count": MOST}))
        if len(msgspec.json.encode(question.data)) > LONGEST_DATA:
            return _bad(number, f"data of more than {LONGEST_DATA} bytes")
        if any(len(each) > 200 or not each.isprintable() for each in (question.id, question.api, question.version)):
            return _bad(number, "an id or a name has too many or odd characters")
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._open[number] = answer
        try:
            self._send(replace(question, request=number))
            async with asyncio.timeout(LONGEST):
                return await answer
        except TimeoutError:
            return Answered(request=number, reason=_late(question))
        finally:
            del self._open[number]

    def heard(self, answer: Answered) -> None:
        """Take the supervisor's answer; what nobody waits for any more is dropped."""
        waiting = self._open.get(answer.request)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)


def _bad(number: int, words: str) -> Answered:
    return Answered(request=number, reason=Reason("ask_bad", {"words": words}))


def _late(question: Ask) -> Reason:
    if question.what == "ship":
        return Reason("ask_unknown", {"words": question.id})
    return Reason("ask_late", {"seconds": LONGEST})
