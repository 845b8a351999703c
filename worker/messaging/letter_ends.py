"""Tells whoever waits what became of a letter, and the log. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.operations import Letters
from xyfleet.worker.storage.results import OutgoingMessage
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog

OPEN_STATES: Final = frozenset({"queued", "sending"})
"""A letter in any other state is settled."""
_SAID: Final = {"sent": log_texts.MESSAGE_SENT, "unknown": log_texts.MESSAGE_UNKNOWN}


class LetterEnds:
    """One account's. `changed` is called when a letter is settled."""

    def __init__(self, inbox: AsyncStore, log: AccountLog, changed: Callable[[], None]) -> None:
        self._inbox = inbox
        self._log = log
        self._changed = changed
        self._waiting: dict[int, list[asyncio.Future[OutgoingMessage]]] = {}

    async def settled(self, number: int) -> OutgoingMessage:
        """
        Wait until it is known what became of a letter, or known that nobody will know.

        Raises:
            LookupError: there is no such letter.
        """
        news: asyncio.Future[OutgoingMessage] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(number, []).append(news)  # first: it may be settled while we look
        try:
            letter = await self._letter(number)
            if news.done() or (letter is not None and letter.state in OPEN_STATES):
                return await news
            if letter is None:
                raise LookupError(f"no letter {number} in the outbox")
            return letter
        finally:
            waiting = self._waiting.get(number, [])
            if news in waiting:
                waiting.remove(news)
            if not waiting:
                self._waiting.pop(number, None)

    def lost(self) -> None:
        """The outbox was lost: nobody will learn what becomes of its letters."""
        waiting, self._waiting = self._waiting, {}
        for news in (one for some in waiting.values() for one in some if not one.done()):
            news.set_exception(LookupError("the outbox was lost"))

    async def look(self, number: int) -> None:
        """Learn what became of a letter that waits no more: its echo came, so the server had taken it after all."""
        self.tell(await self._letter(number))

    def tell(self, letter: OutgoingMessage | None) -> None:
        """Tell what became of a letter, if it is settled."""
        if letter is None or letter.state in OPEN_STATES:
            return
        line = _SAID.get(letter.state, log_texts.MESSAGE_NOT_SENT)
        self._log.say(line, number=letter.number, state=letter.state, id=letter.message_id, reason=letter.reason)
        for news in self._waiting.pop(letter.number, []):
            if not news.done():
                news.set_result(letter)
        self._changed()

    async def _letter(self, number: int) -> OutgoingMessage | None:
        found = await self._inbox.do(Letters([number]))
        return found[0] if found else None
