"""Which messages are still handed over: not those that are too old, and not the talk of two programs. Pure."""

from __future__ import annotations

from typing import Final

from xyfleet.worker.handlers.ready_queue import Entry
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.results import ReplyBound

TOO_OLD: Final = "older than reply_max_age when its turn came"


def unfit(entry: Entry, settings: MailSettings, now: int) -> str | None:
    """Return why a message is not handed over any more at `now` (ms), None = it is."""
    limit, most = settings.reply_max_age * 1000, settings.handler_retries + 1
    if entry.asked:
        return None
    if limit and not entry.trade and now - entry.time > limit:
        return TOO_OLD + ("; the call before was not the last one, and failed" if entry.attempt else "")
    if entry.attempt >= most:
        # Only a crash in the middle leaves such a row waiting (`on_unknown: retry`): not again, and again.
        return f"xyfleet ended in the middle of call {entry.attempt}, the last one"
    return None


def bound(settings: MailSettings) -> ReplyBound | None:
    """Return how many automatic messages one conversation may have; None = any number."""
    within = int(settings.reply_limit_window * 1000)
    return ReplyBound(settings.reply_limit, within) if settings.reply_limit else None


class BoundedTalk:
    """The conversation that was last left to a person because it had too many automatic messages."""

    def __init__(self) -> None:
        self._talk: str | None = None
        self._until = 0.0

    def note(self, talk: str | None, until: float) -> None:
        """Remember one until this time."""
        self._talk, self._until = talk, until

    def at(self, now: float) -> str | None:
        """Return it while it counts; None = there is none."""
        return self._talk if now < self._until else None
