"""Batches of a store's jobs: taken from the queue together, and each one run so that its fault is its own. Shell."""

from __future__ import annotations

import queue
from typing import Any, Final, NamedTuple

from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.operations import Operation
from xyfleet.worker.storage.perform import perform
from xyfleet.worker.storage.savepoint import Failed, attempt

Job = Operation[Any]

MAX_BATCH: Final = 64
"""Jobs in one transaction."""


class Outcome(NamedTuple):
    """What came of a job."""

    key: Any
    """What it was handed in with."""
    result: Any = None
    error: Exception | None = None
    """The job's own program error: the job alone was undone."""


def next_batch(jobs: queue.SimpleQueue[tuple[Any, Job] | None]) -> tuple[list[tuple[Any, Job]], bool]:
    """Wait for a job, and take those that wait with it; return also whether more may follow."""
    batch: list[tuple[Any, Job]] = []
    found = jobs.get()
    while found is not None:
        batch.append(found)
        if jobs.empty() or len(batch) == MAX_BATCH:
            return batch, True
        found = jobs.get()
    return batch, False


def run_one(store: MessageStore, key: Any, job: Job, now: int) -> Outcome:
    """Run a job; when it fails by its own fault, undo it alone."""
    done = attempt(store.db, lambda: perform(store, job, now))
    return Outcome(key, error=done.error) if isinstance(done, Failed) else Outcome(key, done)
