"""The asyncio face of an account's store: operations go in, and their futures are done when all is on disk. Shell.

The event loop never waits for the disk: opening, committing, trimming and closing are a thread's
(`xyfleet.worker.storage.writer_thread`), which begins with the first job and ends when there was none for a while.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from xyfleet.worker.reasons import Reason
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.batches import Outcome
from xyfleet.worker.storage.operations import Operation
from xyfleet.worker.storage.results import Counts
from xyfleet.worker.storage.trimming import Trimming
from xyfleet.worker.storage.writer_thread import RETRY, GroupCommitThread, wall_ms

T = TypeVar("T")

MOST_WAITING: Final = 500
"""Jobs that wait at one time before no more messages should be taken in."""
CLOSE_WITHIN: Final = 12.0
"""Seconds that `close()` takes at most."""
LARGE_LOG: Final = 4_000_000
"""Bytes of the write-ahead log that are nothing to speak of, however little is to be kept."""


class Closed(Exception):
    """The inbox was closed before the job was on disk; it has not happened, or a dying disk kept it all the same."""


class Times(NamedTuple):
    """How patient an inbox is, in seconds."""

    retry: float = RETRY
    """Between two tries while the disk refuses."""
    stuck: float = 5.0
    """Without a word from the disk, until a person should know."""
    close: float = 2.0
    """How long `close()` waits for a disk that refuses."""
    trim: float = 3600.0
    """At least, between two rounds of retention."""


_PATIENCE: Final = Times()


class AsyncStore:
    """
    An account's inbox and outbox. Made and used in the event loop.

    Args:
        settings: Where the file is, and what is kept in it.
        account: Name of the account.
        changed: Called when `trouble` comes, changes or goes, and when an inbox was `lost`.
        idle: Seconds without a job after which the file is closed and the thread ends, for the memory's sake.
        clock: The time by which messages are old or young, in ms; called in the thread, when the disk takes them.
        exact: The same as near as it is known: what an inbox that is lost had taken in is older.
    """

    def __init__(
        self,
        settings: MailSettings,
        account: str,
        changed: Callable[[], None],
        idle: float = 30.0,
        *,
        times: Times = _PATIENCE,
        clock: Callable[[], int] = wall_ms,
        exact: Callable[[], int] = wall_ms,
    ) -> None:
        self.trouble: Reason | None = None
        """Why nothing can be stored now; None = all is well."""
        self.counts = Counts()
        """How the store stood at the last commit of this process."""
        self.lost: Reason | None = None
        """What became of an inbox that was lost since this process began."""
        self.losses = 0
        """How often one was."""
        self._settings = settings
        self._changed = changed
        self._idle = idle
        self._times = times
        self._loop = asyncio.get_running_loop()
        self._unfinished: set[asyncio.Future[Any]] = set()
        self._last_job = self._last_word = self._loop.time()
        self._tick: asyncio.TimerHandle | None = None
        self._closed = False
        self._last_patience = times.close
        self._ended: asyncio.Future[None] | None = None
        self.trimming = Trimming(settings, times.trim, self.do, self.exists, lambda: self.counts.bytes)
        self._committer = GroupCommitThread(
            settings.file,
            account,
            lambda: self._settings.on_unknown,
            committed=lambda outcomes, counts: self._post(self._settle, outcomes, counts),
            trouble=lambda why: self._post(self._tell, why),
            lost=lambda why: self._post(self._hear_of_loss, why),
            ended=lambda: self._post(self._thread_ended),
            known=lambda: self._settings.known_row,
            retry=times.retry,
            clock=clock,
            exact=exact,
        )

    def apply(self, settings: MailSettings) -> None:
        """Go on with other settings; the file stays the one it was."""
        self._settings = settings
        self.trimming.apply(settings)

    def exists(self) -> bool:
        """Tell whether there is a file: without one, there is nothing to look for in it."""
        return os.path.exists(self._settings.file)

    @property
    def note(self) -> Reason | None:
        """What a person should know of the inbox though it works, None = nothing."""
        if self.counts.log > max(LARGE_LOG, self._settings.keep_bytes // 2):
            file, size = self._settings.file, self.counts.log // 1_000_000
            return Reason("inbox_log_large", {"path": file, "size": size})
        return self.lost

    def full(self) -> bool:
        """Tell whether so much waits for the disk that nothing more should be taken in."""
        return len(self._unfinished) >= MOST_WAITING

    def do(self, job: Operation[T]) -> asyncio.Future[T]:
        """
        Have an operation carried out; the future is done when its work is on disk.

        While the disk refuses, operations wait. Their order is kept. Cancelling the future does not take one back. When
        one raises, it alone is undone and the future has the error.

        Raises:
            Closed: by the future, when the inbox is closed before.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closed:
            _refuse(future)
            return future
        self._last_job = self._loop.time()
        if not self._unfinished:
            self._last_word = self._last_job
        self._unfinished.add(future)
        self._committer.put(future, job)
        if self._tick is None:
            self._tick = self._loop.call_later(min(self._idle, self._times.stuck), self._look)
        return future

    async def close(self, within: float = CLOSE_WITHIN) -> None:
        """
        Bring what waits to disk, and end the thread.

        Args:
            within: Seconds that this may take; of them `Times.close`, or half, while the disk refuses.
        """
        if self._closed:
            return
        self._closed = True
        await self.trimming.close()
        if self._tick is not None:
            self._tick.cancel()
        self._last_patience = min(self._times.close, within / 2)
        await self._end_thread(within)
        for future in list(self._unfinished):
            _refuse(future)
        self._unfinished.clear()

    async def _end_thread(self, within: float) -> None:
        self._ended = self._loop.create_future()
        if not self._committer.rest():
            return
        if self.trouble is not None:
            self._loop.call_later(self._last_patience, self._committer.give_up)
        for seconds in (within - self._last_patience, self._last_patience):
            await asyncio.wait((self._ended,), timeout=seconds)
            # A thread that hangs in the disk stays behind; it ends with the process.
            self._committer.give_up()

    def _post(self, callback: Callable[..., None], *args: Any) -> None:
        """Call something in the event loop, from the thread."""
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # The loop is closed: nobody is left who could hear.
            if not self._loop.is_closed():
                raise

    def _settle(self, outcomes: list[Outcome], counts: Counts) -> None:
        """Tell who waits what is on disk now."""
        self._last_word = self._loop.time()
        self.counts = counts
        for outcome in outcomes:
            self._unfinished.discard(outcome.key)
            if outcome.key.done():
                continue
            if outcome.error is None:
                outcome.key.set_result(outcome.result)
            else:
                outcome.key.set_exception(outcome.error)
        self._tell(None)
        self.trimming.look()

    def _tell(self, trouble: Reason | None) -> None:
        self._last_word = self._loop.time()
        if self._closed and trouble is not None:
            self._loop.call_later(self._last_patience, self._committer.give_up)
        if trouble != self.trouble:
            self.trouble = trouble
            self._changed()

    def _hear_of_loss(self, why: Reason) -> None:
        self.lost = why
        self.losses += 1
        self._changed()

    def _thread_ended(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _look(self) -> None:
        """From time to time: is the disk silent, or nothing to do?"""
        self._tick = None
        now = self._loop.time()
        if self._unfinished and self.trouble is None and now - self._last_word >= self._times.stuck:
            self.trouble = Reason("unstorable", {"path": self._settings.file, "of": Reason("disk_silent")})
            self._changed()
        if not self._unfinished and now - self._last_job >= self._idle:
            self._committer.rest()
            return
        if self._unfinished:
            self._committer.start()
        self._tick = self._loop.call_later(min(self._idle, self._times.stuck), self._look)


def _refuse(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(Closed("the inbox is closed"))
        future.exception()  # Who does not wait for it any more need not be told in the log.
