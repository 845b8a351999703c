"""Takes messages in so that one at which the program fails costs no other. Shell (SQLite)."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence

from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.shape import shape
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.operations import Add
from xyfleet.worker.storage.results import Added, Unfit
from xyfleet.worker.storage.savepoint import Failed, attempt


def take_in(store: MessageStore, it: Add, now: int) -> Added:
    """Store messages (`MessageStore.add`) all at once, or, where a program error keeps them from it, one by one."""
    added = _add(store, it, it.found, now)
    if not isinstance(added, Failed):
        return added
    each = [_take_one(store, it, one, now) for one in it.found]
    return Added(
        [row for one in each for row in one.rows],
        [row for one in each for row in one.uncalled],
        [unfit for one in each for unfit in one.unfit],
    )


def _add(store: MessageStore, it: Add, found: Sequence[IncomingItem], now: int) -> Added | Failed:
    return attempt(store.db, lambda: store.add(found, recovered=it.recovered, now=now, rules=it.rules))


def _take_one(store: MessageStore, it: Add, one: IncomingItem, now: int) -> Added:
    """Store a message, or else its payload as a dead letter: what a person can look at is not lost."""
    added = _add(store, it, [one], now)
    if not isinstance(added, Failed):
        return added
    name = type(added.error).__name__
    reason = f"a program error kept it from being stored as it came: {name}"
    rows = attempt(store.db, lambda: store.bury(one, reason, recovered=it.recovered, now=now))
    kept = not isinstance(rows, Failed)
    return Added([] if isinstance(rows, Failed) else rows, [], [Unfit(name, _place(added.error), shape(one.raw), kept)])


def _place(error: Exception) -> str:
    """Return where an error arose: its own words may have been made of a message."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{os.path.basename(last.filename)}:{last.lineno}"
