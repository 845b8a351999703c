"""A store's work gone through once, for the forkserver: what it makes then is memory that all workers share. Shell."""

from __future__ import annotations

import contextlib
import tempfile
from typing import Any, Final

from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.storage import operations as ops
from xyfleet.worker.storage.batches import run_one
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.operations import Operation
from xyfleet.worker.storage.results import HandlerRules, LetterPart

Job = Operation[Any]

_ROUNDS: Final = 3
"""Python specialises bytecode at the second or third run."""


def rehearse() -> None:
    """
    Go through a store's work once, in a temporary folder and without a thread. Raises OSError, sqlite3.Error.

    For the forkserver: what Python and SQLite make at a first use is then in memory that all workers share, measured
    0.5 MiB less for each that has its inbox open. (In SQLite's own memory it would cost more than it saves.)
    """
    with (
        tempfile.TemporaryDirectory(prefix="xyfleet-") as folder,
        contextlib.closing(MessageStore(f"{folder}/rehearsal.db", "a")) as store,
    ):
        store.recover("park", 0)
        for number in range(_ROUNDS):
            store.db.execute("BEGIN IMMEDIATE")
            for job in _rehearsed(number):
                run_one(store, None, job, number)
            store.figures()
            store.db.execute("COMMIT")


def _rehearsed(number: int) -> list[Job]:
    """Return what a worker asks for with each message."""
    texts = [IncomingItem(id=f"{number}.{own}", conversation="c", kind="text", own=own) for own in (True, False)]
    row = 2 * number + 2
    return [
        ops.Add(texts, False, HandlerRules(handler=True, max_age=0, takeover=0)),
        ops.Waiting(0, 1),
        ops.Begin(row, 0),
        ops.Finish(row, [LetterPart("reply")], str(number)),
        ops.NextQueued(),
    ]
