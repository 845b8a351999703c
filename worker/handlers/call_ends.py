"""What follows a call of the handler: its answer is queued, another call follows, or a person is asked. Shell."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from xyfleet.worker.handlers.base import CheckedAnswer, HandOver
from xyfleet.worker.handlers.outgoing_words import blocked
from xyfleet.worker.handlers.ready_queue import Entry, entry_of
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.operations import Again, Finish, GiveUp, TakeBack, Together
from xyfleet.worker.storage.results import LetterPart
from xyfleet.worker.storage.schema import ASKED, Row
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog

LONGEST_DELAY: Final = 300.0
"""Seconds before a further call, at most."""
ORDER_WAITS: Final = "an order waits: the platform, or the webhook, can't be asked now"
"""What a person is told; what is in the way stands in the account's log."""


class Following(NamedTuple):
    """Another call of a message."""

    after: float
    """Seconds; 0 = as soon as there is somebody to call."""
    entry: Entry


class CallEnds:
    """One account's. The rows of a call are one message, or lines of one person that were handed over together."""

    def __init__(
        self,
        inbox: AsyncStore,
        settings: MailSettings,
        log: AccountLog,
        changed: Callable[[], None],
        replied: Callable[[], None],
        handed_over: Callable[[str, HandOver], None],
        alert: Callable[[str], None],
    ) -> None:
        self._inbox = inbox
        self._settings = settings
        self._log = log
        self._changed = changed
        self._replied = replied
        self._handed_over = handed_over
        self._alert = alert
        self._put_off: dict[int, int] = {}
        """How often in a row nobody could be asked, by row."""

    def apply(self, settings: MailSettings) -> None:
        """Take over new settings."""
        self._settings = settings

    async def finish(self, rows: list[Row], answer: CheckedAnswer | None) -> None:
        """Note the end of a good call, and queue its answer: to the last line, which the others are a part of."""
        last = rows[-1]
        self._forget(rows)
        word = None if answer is None else blocked(answer, self._settings.outgoing_block)
        if word is not None:
            await self._give_up(rows, "failed", f"its reply holds {word!r} (outgoing_block), and was not sent", None)
            return
        letters = [] if answer is None else letters_of(answer)
        pause = 0 if answer is None or answer.hand_over is None else round(answer.hand_over.minutes * 60_000)
        if answer is not None and answer.hand_over is not None:
            self._say_handed_over(last, answer.hand_over)
        # What goes over the wire as its uuid is given when it goes.
        others = [Finish(row.row, [], uuid.uuid4().hex) for row in rows[:-1]]
        finish = Finish(last.row, letters, uuid.uuid4().hex, pause)
        done = (await self._inbox.do(Together([*others, finish]))).finished
        assert done is not None
        if done.number is not None:
            self._replied()
        elif done.dropped is not None:
            line = log_texts.REPLY_UNSENDABLE if done.dead else log_texts.REPLY_DROPPED
            self._log.say(line, message=last.message.id, reason=done.dropped)
        self._changed()

    def _say_handed_over(self, row: Row, hand_over: HandOver) -> None:
        """Tell of it before it is on disk: an event too many is better than none."""
        talk = row.message.conversation
        self._log.say(log_texts.HANDED_OVER, conversation=talk, minutes=hand_over.minutes, reason=hand_over.why)
        self._handed_over(talk or "", hand_over)

    async def unsure(self, rows: list[Row], reason: str) -> list[Following]:
        if self._settings.on_unknown == "retry":
            return await self.failed(rows, reason, None)
        await self._give_up(rows, "parked", reason, None)
        return []

    async def put_off(self, rows: list[Row], reason: str, trace: str | None) -> list[Following]:
        """
        Let another call follow, for who was to be asked could not be: of an order that does not count, however often.

        Who has paid gets his goods when it can be asked again, and a person hears of it at once. Talk has its tries.
        """
        if not all(entry_of(row).trade for row in rows):
            return await self.failed(rows, reason, trace)
        times = max(self._put_off.get(row.row, 0) for row in rows)
        self._put_off |= {row.row: times + 1 for row in rows}
        wait = self._delay(times)
        self._say(log_texts.HANDLER_FAILED, rows[-1], reason, trace, wait)
        self._alert(ORDER_WAITS)
        await self._inbox.do(Together([TakeBack(row.row, row.message.attempt) for row in rows]))
        self._changed()
        return [Following(wait, entry_of(row)._replace(attempt=row.message.attempt - 1)) for row in rows]

    async def failed(self, rows: list[Row], reason: str, trace: str | None) -> list[Following]:
        """Let another call follow for each that has one left; the others are dead letters."""
        self._forget(rows)
        tries = {row.row: self._tries(row) for row in rows}
        over = [row for row in rows if tries[row.row] > self._settings.handler_retries]
        if over:
            await self._give_up(over, "failed", reason, trace)
        left = [row for row in rows if row not in over]
        if not left:
            return []
        first = max(tries[row.row] for row in left)
        wait = self._delay(first - 1)
        self._say(log_texts.HANDLER_FAILED, left[-1], reason, trace, wait)
        follows = await self._inbox.do(Together([Again(row.row) for row in left]))
        self._changed()
        # One that was asked for by a person stays so: the store keeps it in mind.
        return [Following(wait, entry_of(row)) for row, another in zip(left, follows.again, strict=True) if another]

    def _delay(self, failures: int) -> float:
        return min(self._settings.handler_retry_delay * 2.0 ** min(failures, 60), LONGEST_DELAY)

    def _forget(self, rows: list[Row]) -> None:
        for row in rows:
            self._put_off.pop(row.row, None)

    def _tries(self, row: Row) -> int:
        """Return which call it was, counted anew from when a person asked for more."""
        attempt, retries = row.message.attempt, self._settings.handler_retries
        return (attempt - 1) % (retries + 1) + 1 if row.reason == ASKED else attempt

    async def _give_up(
        self, rows: list[Row], state: Literal["failed", "parked"], reason: str, trace: str | None
    ) -> None:
        for row in rows:
            self._say(log_texts.HANDLER_GAVE_UP, row, reason, trace, None)
        await self._inbox.do(Together([GiveUp(row.row, state, reason) for row in rows]))
        self._changed()

    def _say(self, line: log_texts.LogText, row: Row, reason: str, trace: str | None, wait: float | None) -> None:
        message = row.message
        self._log.say(line, message=message.id, attempt=message.attempt, reason=reason, wait=wait, traceback=trace)


def letters_of(answer: CheckedAnswer) -> list[LetterPart]:
    """Return the letters of an answer: of a reply with both its text, and its image at once behind it."""
    letters: list[LetterPart] = []
    for reply in answer.replies:
        pause = round(reply.after * 1000)
        if reply.text:
            letters.append(LetterPart(reply.text, pause=pause))
        if reply.image:
            letters.append(LetterPart(image=reply.image, pause=0 if reply.text else pause))
    return letters
