"""The thread that has an account's store: runs operations, many in one transaction, until they are on disk. Shell.

Those that come while a transaction is on go together in the next one: one fsync for all of them. While the disk
refuses, they wait, and the transaction is tried again each second: nothing of a failed try is left, or, when the disk
failed at its very end, all of it, which a second time finds (`xyfleet.worker.storage.operations`).
"""

from __future__ import annotations

import contextlib
import ctypes
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Literal

from xyfleet.worker.clock import boottime
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.storage import operations as ops
from xyfleet.worker.storage import sqlite
from xyfleet.worker.storage.batches import Job, Outcome, next_batch, run_one
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.perform import perform
from xyfleet.worker.storage.results import Counts
from xyfleet.worker.storage.savepoint import Undone


def wall_ms() -> int:
    """Return the wall clock's time, in ms."""
    return time.time_ns() // 1_000_000


RETRY: Final = 1.0
"""Seconds between two tries while the disk refuses."""
REOPEN_AFTER: Final = 5
"""Failed tries after which an open file is opened anew, whatever the disk said. Not at once: a commit whose fsync
failed may be found in the file by whoever opens it, and its jobs would find their own work there."""
RUINED_AFTER: Final = 3
"""Tries in a row that find the file ruined before it is put aside: somebody may just be putting a good one there."""
LATENCY: Final = 1.0
"""Seconds by which the way to us may differ from message to message: the server's time is known no better."""
_KEEP_OPEN: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


class GroupCommitThread:
    """
    Works through jobs, in a thread that begins with the first one.

    `put` and `rest` are called in one thread; the callbacks run in the committer's own.

    Args:
        path: The store's file.
        account: Its account.
        on_unknown: What becomes of calls that a crash cut off; asked at the first opening.
        committed: Hears what is on disk, and how the store stands then.
        trouble: Hears at every failed try why nothing can be stored.
        lost: Hears of an inbox that was lost, and in whose place a new one was begun: what became of it.
        ended: Hears that the thread ends, the file being closed.
        known: Returns up to which row somebody knows of messages: when there are any, a file was there before.
        retry: Seconds between two tries.
        clock: The time of what is carried out now, in ms.
        exact: The server's time as near as it is known, in ms.
    """

    def __init__(
        self,
        path: str,
        account: str,
        on_unknown: Callable[[], Literal["park", "retry"]],
        *,
        committed: Callable[[list[Outcome], Counts], None],
        trouble: Callable[[Reason], None],
        lost: Callable[[Reason], None],
        ended: Callable[[], None],
        known: Callable[[], int] = lambda: 0,
        retry: float = RETRY,
        clock: Callable[[], int] = wall_ms,
        exact: Callable[[], int] = wall_ms,
    ) -> None:
        self._path = path
        self._account = account
        self._on_unknown = on_unknown
        self._committed = committed
        self._trouble = trouble
        self._lost = lost
        self._known = known
        self._ended = ended
        self._retry = retry
        self._clock = clock
        self._exact = exact
        self._jobs: queue.SimpleQueue[tuple[Any, Job] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._before: threading.Thread | None = None
        self._give_up = threading.Event()
        # From here on the thread's own.
        self._last = boottime()
        self._store: MessageStore | None = None
        self._recovered = False
        self._counts = Counts()
        self._numbers = (0, 0)
        self._failures = 0
        self._in_hand: list[tuple[Any, Job]] = []
        self._ruined = 0
        self._aside: str | None = None

    def put(self, key: object, job: Job) -> None:
        """Have a job run; `committed` hears of it under this key."""
        self._jobs.put((key, job))
        self.start()

    def start(self) -> None:
        """Have a thread, if there can be one: a machine that has no more to give may have one later."""
        if self._thread is not None and self._thread.is_alive():
            return
        thread = threading.Thread(target=self._work, args=(self._jobs, self._before), name="xyfleet-inbox", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._unstorable(words(str(error)))
        else:
            self._thread = thread

    def rest(self) -> bool:
        """Have the thread end, and the file closed, behind the jobs so far; return whether there is a thread."""
        if self._thread is None:
            return False
        self._jobs.put(None)
        # A queue of its own for the next one: what ends this thread can't end that.
        self._jobs = queue.SimpleQueue()
        self._before, self._thread = self._thread, None
        return True

    def give_up(self) -> None:
        """While the disk refuses, wait no longer: leave undone what is not done. Goes with `rest`."""
        self._give_up.set()

    def _work(self, jobs: queue.SimpleQueue[tuple[Any, Job] | None], before: threading.Thread | None) -> None:
        if before is not None:
            before.join()
        try:
            goes_on = True
            if self._in_hand:  # of a thread that died with them
                self._persist(self._in_hand)
            while goes_on:
                self._in_hand, goes_on = next_batch(jobs)
                if not self._persist(self._in_hand):
                    break
                self._in_hand = []
        finally:
            self._close()
            give_back_free()
            self._ended()

    def _persist(self, batch: list[tuple[Any, Job]]) -> bool:
        """Bring jobs to disk, however long it takes; return False when it was given up."""
        while batch:
            try:
                outcomes, counts = self._commit(batch)
            except Exception as error:  # noqa: BLE001 (told to whoever waits for these jobs)
                if not (isinstance(error, Undone) or sqlite.is_trouble(error)):
                    self._abandon(batch, error)
                    return True
                self._note(error)
                if self._give_up.wait(self._retry):
                    return False
            else:
                self._failures = self._ruined = 0
                self._committed(outcomes, counts)
                return True
        return True

    def _commit(self, batch: list[tuple[Any, Job]]) -> tuple[list[Outcome], Counts]:
        """Run jobs in one transaction. When this raises, none of them has happened."""
        store = self._opened()
        store.db.execute("BEGIN IMMEDIATE")
        try:
            if not self._recovered:
                perform(store, ops.Recover(self._on_unknown()), self._clock())
            outcomes = [run_one(store, key, job, self._clock()) for key, job in batch]
            counts, numbers = store.figures(), (store.last_row(), store.last_number())
            store.db.execute("COMMIT")
        except BaseException:
            if store.db.in_transaction:
                store.db.execute("ROLLBACK")
            raise
        self._recovered = True
        self._last = boottime() + LATENCY
        self._counts, self._numbers = counts, numbers
        return outcomes, counts

    def _opened(self) -> MessageStore:
        """Return the open store: not one whose file, or log, somebody took away: that would be written into nowhere."""
        if self._store is not None and not self._store.is_there():
            self._close()
        if self._store is not None and not self._store.is_whole():
            self._store.save_log()
            self._close()
        if self._store is None:
            self._store = self._open()
        return self._store

    def _open(self) -> MessageStore:
        known = self._known()
        had = self._recovered or known > 0 or self._aside is not None
        after = (max(self._numbers[0], known), self._numbers[1])
        lost = self._last_taken() if had else None
        store = MessageStore(self._path, self._account, after=after, lost=lost, wall=wall_ms)
        if store.lacks_rows and had:
            aside = {} if self._aside is None else {"aside": self._aside}
            self._lost(Reason("inbox_ruined" if aside else "inbox_gone", {"path": self._path, **aside}))
        self._aside = None
        return store

    def _last_taken(self) -> int:
        """
        Return up to which server time (ms) the inbox that was lost may have taken messages in.

        That is up to the last commit. Before the first one of this process, no other can have had the account since it
        began.
        """
        return self._exact() - int(1000 * (boottime() - self._last))

    def _note(self, error: Exception) -> None:
        self._failures += 1
        self._ruined = self._ruined + 1 if sqlite.is_ruined(error) else 0
        keep = getattr(error, "sqlite_errorcode", 0) & 0xFF in _KEEP_OPEN and self._failures % REOPEN_AFTER
        if not keep and not isinstance(error, sqlite.Unsaved):
            self._close()
        if self._ruined >= RUINED_AFTER:
            self._put_aside()
        self._unstorable(sqlite.explain(error))

    def _unstorable(self, why: Reason) -> None:
        self._trouble(Reason("unstorable", {"path": self._path, "of": why}))

    def _put_aside(self) -> None:
        """Have a new file begun in the place of a ruined one, which nobody but a person can mend."""
        self._ruined = 0
        with contextlib.suppress(OSError):  # The disk refuses that too: it is tried again.
            self._aside = sqlite.put_aside(self._path)

    def _abandon(self, batch: list[tuple[Any, Job]], error: Exception) -> None:
        """A program error outside of every job: those who wait learn of it, and the next batch begins afresh."""
        self._close()
        self._committed([Outcome(key, error=error) for key, _ in batch], self._counts)

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()


def give_back_free() -> None:
    """Give memory that C libraries have freed back to the system, where the system's allocator can."""
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
