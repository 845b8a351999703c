"""Uploads the image of a letter before it is sent, again after a while where that may help. Shell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from xyfleet.worker.ipc.messages import Uploaded
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.operations import Rest, Upload
from xyfleet.worker.storage.results import OutgoingMessage, Settled
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog

RETRIES: Final = (5.0, 20.0, 60.0)
"""Seconds to wait after an upload that may go better later. Its conversation waits with it, others go on."""


class NotUploaded(NamedTuple):
    """How a letter ends whose image is nowhere."""

    state: Settled
    reason: str


class ImageLetters:
    """One account's. `upload` has an image uploaded, by its path; `wall` is the server's time, in seconds."""

    def __init__(
        self,
        inbox: AsyncStore,
        log: AccountLog,
        upload: Callable[[str], Awaitable[Uploaded]],
        wall: Callable[[], float],
    ) -> None:
        self._inbox = inbox
        self._log = log
        self._upload = upload
        self._wall = wall
        self._tries: dict[int, int] = {}
        """By the number of the letter, of those whose images may be uploaded later."""

    async def upload(self, letter: OutgoingMessage, path: str) -> NotUploaded | None:
        """
        Have a letter's image uploaded; where it is comes to be on disk before it is sent, so it is done once.

        Returns:
            None: it is, or is tried again later; else how the letter ends.
        """
        answer = await self._upload(path)
        tries = self._tries.pop(letter.number, 0)
        if answer.picture is not None:
            await self._inbox.do(Upload(letter.number, answer.picture))
            return None
        reason = self._log.clean(answer.reason or "the image was not uploaded")
        if answer.later and tries < len(RETRIES):
            wait, self._tries[letter.number] = RETRIES[tries], tries + 1
            self._log.say(log_texts.MESSAGE_LATER, number=letter.number, reason=reason, wait=wait)
            await self._inbox.do(Rest(letter.number, int((self._wall() + wait) * 1000)))
            return None
        return NotUploaded("failed" if answer.later else "rejected", reason)
