"""All that can be asked of an account's store: named operations, as values that could go over a socket. Pure.

Each is one transaction, and may be carried out twice: whoever asked may not have learnt of its end (a COMMIT whose
fsync failed may be on disk all the same). A second time finds the work of the first by the operation's own key (a
message's id, a row and the number of its calls, a letter's uuid), and says what the first one said.
"""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

import msgspec

from xyfleet.worker.protocol.im_calls import Picture
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.storage.results import (
    Added,
    Counts,
    Finished,
    HandlerRules,
    LateOrders,
    LetterPart,
    NewOrder,
    OutgoingMessage,
    Queued,
    ReplyBound,
    Settled,
    Settlement,
    Steps,
    Trimmed,
)
from xyfleet.worker.storage.schema import Row

T = TypeVar("T")


class Operation(msgspec.Struct, Generic[T], frozen=True, tag=True):
    """Something asked of the store; its answer is a `T`."""


class Add(Operation[Added], frozen=True):
    """Store what is not there yet (`MessageStore.add`). Key: the messages' ids."""

    found: list[IncomingItem]
    recovered: bool
    """Whether catching up found it."""
    rules: HandlerRules


class Begin(Operation[Row | None], frozen=True):
    """
    Note that a call begins; None when the message waits no more. Key: the row and the calls so far.

    Where the conversation has had too many automatic messages it becomes a dead letter instead, and is returned so.
    """

    row: int
    attempt: int
    """Calls before this one."""
    bound: ReplyBound | None = None


class Finish(Operation[Finished], frozen=True):
    """Note that a call ended well, and queue its answer unless the owner took over. Key: the row, and the uuid."""

    row: int
    letters: list[LetterPart]
    uuid: str
    hand_over: int = 0
    """Milliseconds for which the conversation's talk is a person's from now on."""


class Again(Operation[bool], frozen=True):
    """Note that a call failed; return whether another may follow: not when the owner took over. Key: the row."""

    row: int


class TakeBack(Operation[None], frozen=True):
    """Note that a call which was to begin was not made: it does not count. Key: the row and its calls, with it."""

    row: int
    attempt: int


class GiveUp(Operation[None], frozen=True):
    """Make a message a dead letter. Key: the row."""

    row: int
    state: Literal["failed", "parked"]
    reason: str


class Together(Operation[Steps], frozen=True):
    """Take several steps of calls, all or none. Key: theirs."""

    operations: list[Begin | Finish | Again | TakeBack | GiveUp]


class Redo(Operation[int], frozen=True):
    """Let dead letters wait for the handler again; none named: all. Return how many were dead. Key: the ids."""

    ids: list[str]


class Find(Operation[Row | None], frozen=True):
    """Return a message by its id."""

    id: str


class NewOrders(Operation[list[NewOrder]], frozen=True):
    """Return which of these orders, ids and buyers and items, no paid notice was handed over for. Changes nothing."""

    orders: list[tuple[str, str | None, str | None]]


class SettleLate(Operation[LateOrders], frozen=True):
    """Say of paid orders that came late what the list of orders says of them. Key: the rows."""

    listed: list[str]
    """Ids of all that wait for shipment."""
    last: int
    """Number of the last row that was there when the list was asked for: it may not know of later ones."""
    failed: str | None = None
    """Why there is no list: they are dead letters."""
    strange: list[str] = []
    """Ids of those on the list of which nobody knows whether they wait: they are dead letters too."""


class Waiting(Operation[list[Row]], frozen=True):
    """Return messages that wait for the handler, in the order of their coming, behind a row number."""

    after: int
    limit: int


class Queue(Operation[Queued], frozen=True):
    """Put a text into the outbox. Key: the uuid."""

    uuid: str
    conversation: str
    text: str
    receiver: str | None
    """User id; None: whoever wrote last in that conversation."""
    automatic: bool = False
    """Whether the handler wants it sent, not a person."""
    image: str | None = None
    """Path of an image to be sent instead of the text."""


class Upload(Operation[None], frozen=True):
    """Note where a letter's image was uploaded to. Key: the number."""

    number: int
    picture: Picture


class Rest(Operation[None], frozen=True):
    """Have a queued letter, and what is behind it in its conversation, wait until a time (ms). Key: the number."""

    number: int
    until: int


class NextQueued(Operation[OutgoingMessage | None], frozen=True):
    """Return the oldest letter that is to be sent."""

    uploading: bool = False
    """Whether an image is being uploaded, so that no other one can be now."""


class Sending(Operation[bool], frozen=True):
    """Note that a queued letter is about to go out; False when it is not queued. Key: the number and the uuid."""

    number: int
    uuid: str
    """What goes over the wire."""
    attempt: int
    """How many times it was put on its way before."""


class Requeue(Operation[None], frozen=True):
    """Put a letter on its way back into the queue, at its old place: it did not arrive. Key: the number."""

    number: int
    reason: str | None


class Settle(Operation[Settlement], frozen=True):
    """Note how a letter ended; what is known to be sent stays so. Key: the number."""

    number: int
    state: Settled
    message_id: str | None
    reason: str | None


class Letters(Operation[list[OutgoingMessage]], frozen=True):
    """Return letters as they stand, in the order of their numbers; those that are not there are left out."""

    numbers: list[int]


class Marks(Operation[dict[str, int]], frozen=True):
    """Keep numbers under names (`xyfleet.worker.storage.schema`), and return all that are kept. Key: the names."""

    put: dict[str, int] = {}
    drop: list[str] = []
    """Names that are kept no longer."""


class Trim(Operation[Trimmed], frozen=True):
    """Take one small step of retention (`retention.step`)."""

    keep: int
    """Milliseconds; what was stored earlier goes."""
    most_bytes: int
    most_rows: int


class Count(Operation[Counts], frozen=True):
    """Return how the store stands."""


class Recover(Operation[None], frozen=True):
    """Settle what a crash left half done. For the first opening in a process, before anything else."""

    on_unknown: Literal["park", "retry"]


AnyOperation = (
    Add
    | Together
    | Begin
    | Finish
    | Again
    | TakeBack
    | GiveUp
    | Redo
    | Find
    | NewOrders
    | SettleLate
    | Waiting
    | Queue
    | Upload
    | Rest
    | NextQueued
    | Sending
    | Requeue
    | Settle
    | Letters
    | Marks
    | Trim
    | Count
    | Recover
)
