"""What goes with an operation of an account's store, and what comes back from one, as values. Pure."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

from xyfleet.worker.protocol.im_calls import Picture
from xyfleet.worker.storage.schema import Row

Settled = Literal["sent", "rejected", "failed", "unknown"]
"""How a letter ends (`xyfleet.worker.storage.schema`)."""
MOST_QUEUED: Final = 1000
"""Letters that may wait to be sent: what a person or a program gives when an account is offline for long has an end."""
OUTBOX_FULL: Final = f"{MOST_QUEUED} texts wait to be sent already"
"""The reason of a message whose reply found no room."""


class HandlerRules(NamedTuple):
    """What decides whether a handler hears of a message."""

    handler: bool
    """Whether there is one."""
    max_age: int
    """Milliseconds; 0 = no limit."""
    takeover: int
    """Milliseconds for which an owner's message silences the handler in its conversation; 0 = it does not."""
    groups: bool = False
    """Whether it hears of group talks."""
    orders: bool = False
    """Whether the orders that wait for shipment are listed, so that a late one need not be believed."""
    fleet: tuple[str, ...] = ()
    """Those of the senders who are accounts of this fleet, and are not to be answered."""


class ReplyBound(NamedTuple):
    """How many automatic messages go into one conversation before its talk is left to a person."""

    most: int
    within: int
    """Milliseconds."""


class NewOrder(msgspec.Struct, frozen=True):
    """An order of the list that was not handed over yet."""

    order: str
    conversation: str | None
    """The one with its buyer, rather about its item, where one is known."""
    noticed: bool = False
    """Whether a message names it."""


class LateOrders(NamedTuple):
    """What became of paid orders that came late."""

    listed: int = 0
    """The list has brought them."""
    over: int = 0
    """It does not have them: shipped, closed or refunded meanwhile."""
    dead: int = 0
    """Dead letters, for there is no list, or it says of them what nobody knows."""


class Unfit(msgspec.Struct, frozen=True):
    """A message that a program error kept from being stored as it came."""

    error: str
    """The error's type."""
    at: str
    """File and line where it arose."""
    shape: str
    """JSON, without texts, ids or secrets (`xyfleet.worker.protocol.shape`)."""
    kept: bool
    """Whether its payload is a dead letter now; else nothing of it is here."""


class Added(msgspec.Struct, frozen=True):
    """What came of adding messages."""

    rows: list[Row]
    """The new ones."""
    uncalled: list[Row] = []
    """Those that were there and wait for their first call: whoever asks may not have heard of them (see above)."""
    unfit: list[Unfit] = []
    """Those that could not be stored as they came."""


class Counts(NamedTuple):
    """How a store stands."""

    stored: int = 0
    """Highest row number that there ever was."""
    waiting: int = 0
    """Messages that the handler has yet to answer."""
    dead: int = 0
    """Failed or parked."""
    unsent: int = 0
    """Queued or on their way."""
    bytes: int = 0
    """Pages in use."""
    log: int = 0
    """Bytes of the write-ahead log."""


class OutgoingMessage(msgspec.Struct, frozen=True):
    """A text in the outbox."""

    number: int
    uuid: str
    conversation: str
    receiver: str | None
    text: str
    reply_to: str | None
    """Id of the message that it answers."""
    state: str
    attempt: int
    """How many times it was put on its way."""
    message_id: str | None
    """The server's id, once sent."""
    reason: str | None
    created: int = 0
    """When it was given, in ms."""
    to_talk: bool = False
    """Whether it answers what a person said: such an answer grows too old."""
    image: str | None = None
    """Path of the image that it is instead of a text."""
    picture: Picture | None = None
    """That image, once it was uploaded."""
    behind: int | None = None
    """Number of the letter that it follows in one answer."""
    pause: int = 0
    """Milliseconds to wait after that one has ended, or after its own making."""
    due: int = 0
    """When it may go, in ms; of the next one that is to be sent."""


class LetterPart(msgspec.Struct, frozen=True):
    """One letter of an answer: a text or an image."""

    text: str = ""
    image: str | None = None
    """Path of an image to be sent instead of the text."""
    pause: int = 0
    """Milliseconds to wait after the one before has ended, or after the answer."""


class Queued(msgspec.Struct, frozen=True):
    """What came of putting a text into the outbox."""

    letter: OutgoingMessage | None = None
    refused: Literal["nobody", "full"] | None = None
    """Why there is none: it is not known who is to receive it, or as many wait as may (`MOST_QUEUED`)."""


class Finished(msgspec.Struct, frozen=True):
    """What became of a handler's reply."""

    number: int | None = None
    """Its number in the outbox; None: there is none."""
    dropped: str | None = None
    """Why a reply was not put there."""
    dead: bool = False
    """Whether the message is a dead letter therefore."""


class Steps(msgspec.Struct, frozen=True):
    """What came of several steps of calls that were taken together, by their kinds, in their order."""

    begun: list[Row | None] = []
    again: list[bool] = []
    finished: Finished | None = None
    """Of the last one."""


class Settlement(msgspec.Struct, frozen=True):
    """A letter that ended."""

    letter: OutgoingMessage | None
    """As it stands; its echo may have been faster. None: retention took it."""
    resumed: bool
    """Whether messages wait for the handler again, because what looked like a takeover was this letter's echo."""


class Trimmed(msgspec.Struct, frozen=True):
    """What a step of retention left."""

    more: bool
    """Whether there is more to do."""
    oldest: int | None
    """When the oldest message was stored, in milliseconds."""
