"""Uploads the image of a letter before it is sent, again after a while where that may help. Shell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from xyfleet.worker.ipc.messages import Uploaded
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.operations import Upload
from xyfleet.worker.storage.results import OutgoingMessage, Settled
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog

RETRIES: Final = (5.0, 20.0, 60.0)
"""Seconds to wait after an upload that may go better later. Behind a letter all others wait: it can't be for long."""


class NotUploaded(NamedTuple):
    """How a letter ends whose image is nowhere."""

    state: Settled
    reason: str


class ImageLetters:
    """One account's. `upload` has an image uploaded, by its path."""

    def __init__(self, inbox: AsyncStore, log: AccountLog, upload: Callable[[str], Awaitable[Uploaded]]) -> None:
        self._inbox = inbox
        self._log = log
        self._upload = upload
        self._tries = 0
        """To upload the letter that is first."""

    async def upload(self, letter: OutgoingMessage, path: str) -> float | NotUploaded:
        """
        Have a letter's image uploaded; where it is comes to be on disk before it is sent, so it is done once.

        Returns:
            Seconds after which to go on with the letter.
        """
        answer = await self._upload(path)
        if answer.picture is not None:
            self._tries = 0
            await self._inbox.do(Upload(letter.number, answer.picture))
            return 0.0
        reason = self._log.clean(answer.reason or "the image was not uploaded")
        if answer.later and self._tries < len(RETRIES):
            wait = RETRIES[self._tries]
            self._tries += 1
            self._log.say(log_texts.MESSAGE_LATER, number=letter.number, reason=reason, wait=wait)
            return wait
        self._tries = 0
        return NotUploaded("failed" if answer.later else "rejected", reason)
