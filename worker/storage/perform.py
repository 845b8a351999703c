"""Carries out operations on an open store, each within the transaction of whoever calls. Shell (SQLite)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from xyfleet.worker.storage import operations as ops
from xyfleet.worker.storage import order_book, results
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.operations import Operation
from xyfleet.worker.storage.taking_in import take_in

T = TypeVar("T")


def perform(store: MessageStore, operation: Operation[T], now: int) -> T:
    """
    Carry out an operation, at this time (ms). What it raises is a program error, or the disk's.

    Raises:
        LookupError: there is no such operation.
    """
    return cast(T, WAYS[type(operation)](store, operation, now))


def _finish(store: MessageStore, it: ops.Finish, now: int) -> results.Finished:
    number = store.finish(it.row, it.letters, it.uuid, now, it.hand_over)
    row = store.row(it.row) if it.letters and number is None else None
    return results.Finished(number) if row is None else results.Finished(number, row.reason, row.state == "failed")


def _together(store: MessageStore, it: ops.Together, now: int) -> results.Steps:
    done = [(type(one), WAYS[type(one)](store, one, now)) for one in it.operations]
    finished = [found for kind, found in done if kind is ops.Finish]
    return results.Steps(
        [found for kind, found in done if kind is ops.Begin],
        [found for kind, found in done if kind is ops.Again],
        finished[-1] if finished else None,
    )


def _settle(store: MessageStore, it: ops.Settle, now: int) -> results.Settlement:
    resumed = store.settle(it.number, it.state, it.message_id, it.reason, now)
    return results.Settlement(store.letter(it.number), resumed)


def _marks(store: MessageStore, it: ops.Marks) -> dict[str, int]:
    for name, value in it.put.items():
        store.set_meta(name, value)
    store.drop_metas(it.drop)
    return store.metas()


def _trim(store: MessageStore, it: ops.Trim, now: int) -> results.Trimmed:
    early, late = store.span(now)
    more = store.trim(now=late, before=early - it.keep, most_bytes=it.most_bytes, most_rows=it.most_rows)
    return results.Trimmed(more, store.oldest())


WAYS: Final[dict[type, Callable[[MessageStore, Any, int], Any]]] = {
    ops.Add: take_in,
    ops.Begin: lambda store, it, now: store.begin(it.row, it.attempt, it.bound, now),
    ops.Together: lambda store, it, now: _together(store, it, now),
    ops.Finish: _finish,
    ops.Again: lambda store, it, now: store.again(it.row, now),
    ops.TakeBack: lambda store, it, now: store.take_back(it.row, it.attempt),
    ops.GiveUp: lambda store, it, now: store.give_up(it.row, it.state, it.reason),
    ops.Redo: lambda store, it, now: store.redo(it.ids),
    ops.Find: lambda store, it, now: store.find(it.id),
    ops.NewOrders: lambda store, it, now: order_book.new_orders(store.db, it.orders),
    ops.SettleLate: lambda store, it, now: order_book.settle_late(store.db, it.listed, it.last, it.failed, it.strange),
    ops.Waiting: lambda store, it, now: store.waiting(it.after, it.limit),
    ops.Queue: lambda store, it, now: store.queue(
        it.uuid, it.conversation, it.receiver, it.text, now, automatic=it.automatic, image=it.image
    ),
    ops.Upload: lambda store, it, now: store.uploaded(it.number, it.picture),
    ops.Rest: lambda store, it, now: store.rest(it.number, it.until, now),
    ops.NextQueued: lambda store, it, now: store.next_queued(now, uploading=it.uploading),
    ops.Sending: lambda store, it, now: store.sending(it.number, it.uuid, it.attempt),
    ops.Requeue: lambda store, it, now: store.requeue(it.number, it.reason),
    ops.Settle: _settle,
    ops.Letters: lambda store, it, now: [found for one in it.numbers if (found := store.letter(one)) is not None],
    ops.Marks: lambda store, it, now: _marks(store, it),
    ops.Trim: _trim,
    ops.Count: lambda store, it, now: store.figures(),
    ops.Recover: lambda store, it, now: store.recover(it.on_unknown, now),
}
"""How each operation is carried out."""
