"""What supervisor and worker say to each other over their two pipes, as values. Pure.

How they become bytes: `xyfleet.worker.ipc.codec`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.figures import Change, HeartbeatFigures, MailFigures
from xyfleet.worker.ipc.talks import TalkQuestion
from xyfleet.worker.protocol.im_calls import Picture
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import WorkerSettings
from xyfleet.worker.states import State

Question = Literal["item", "order", "orders", "ship", "call"]
"""What can be asked of the platform."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", omit_defaults=True):
    """Any message on a pipe."""


# Up: worker to supervisor.


class Hello(Message, frozen=True, tag="hello"):
    """First message of a worker."""

    pid: int
    marker: str
    """Version and file digest that the preload left (`xyfleet.worker.process.shield.MARKER`)."""
    imported: list[str] = []
    """Modules this worker had to import by itself; more than none means the preload misses them."""


class Alive(Message, frozen=True, tag="alive"):
    """A sign of life from the event loop, when there is nothing else to say."""


class Report(Message, frozen=True, tag="report"):
    """The whole latest state. A newer report replaces an older one that was not sent yet; `changes` add up."""

    state: State
    since: float
    """Wall time of the last change."""
    generation: int = 0
    cause: Cause | None = None
    """The last loss's cause while not CONNECTED, else null."""
    reason: Reason | None = None
    failures: int = 0
    next_attempt: float | None = None
    """Wall time."""
    window: HeartbeatFigures = HeartbeatFigures()
    changes: list[Change] = []
    memory: int | None = None
    """PSS in bytes, read once a minute."""
    note: Reason | None = None
    """What a person should know while it lasts: log lines that could not be written."""
    cpu: float = 0.0
    """CPU seconds that the worker has used so far."""
    mail: MailFigures = MailFigures()
    clock: float | None = None
    """Seconds that this machine's clock is ahead of the server's (less than zero: behind); 0 = it is right, null = the
    server has not said its time yet."""
    user_elsewhere: bool = False
    """Whether nothing is dialled because another fleet of this machine has the user."""


class TicketRequest(Message, frozen=True, tag="ask"):
    """May I dial, and with which token?"""

    request: int
    """Number of this request, echoed by the answers."""
    stale: int | None = None
    """Serial of a token that the gateway refused or that a kick-out voided: another one is wanted."""


class CatchUpRequest(Message, frozen=True, tag="catch_up"):
    """May I look for missed messages? Answered by `CatchUpTurn` when it is this account's turn."""


class Sent(Message, frozen=True, tag="sent"):
    """What became of a `Send`: once when it is in the outbox for good, and once when it is settled."""

    request: int
    state: str
    """A state of the outbox (`xyfleet.worker.storage.schema`), or `refused`: it was not even put there."""
    number: int | None = None
    """Its number in the outbox."""
    message_id: str | None = None
    reason: str | None = None


class UploadRequest(Message, frozen=True, tag="upload"):
    """Upload an image, for it is to be sent; answered by `Uploaded`. A worker has no cookies to do it with."""

    request: int
    path: str
    """The file's."""


class Ask(Message, frozen=True, tag="question"):
    """A question to the platform, which a worker can't ask: it has no cookies. Answered by `Answered`."""

    request: int
    what: Question
    id: str = ""
    """Of the item or the order; of `orders` the page's number."""
    again: bool = False
    """Of `ship`: also where nobody knows what came of it before."""
    later: bool = False
    """Of `ship`: when it may be done; the answer is that this is on disk."""
    api: str = ""
    version: str = ""
    data: str = ""
    """Of `call`: JSON."""


class Redone(Message, frozen=True, tag="redone"):
    """The answer to a `Redo`."""

    request: int
    count: int
    """How many dead letters wait for the handler again."""


class HandlerRenewed(Message, frozen=True, tag="renewed"):
    """The answer to a `RenewHandler`."""

    request: int
    renewed: bool
    trouble: Reason | None = None
    """Why it can't be loaded: the old code goes on answering."""
    stale: bool | None = False
    """Of a look: whether anything would be loaded; None = nothing is yet, and what lies there will be."""


class TalkPiece(Message, frozen=True, tag="talk_piece"):
    """A part of the answer to a `TalkRequest`, which is longer than one message may be."""

    request: int
    number: int
    """From 0."""
    data: bytes
    last: bool = False


class Strange(Message, frozen=True, tag="strange"):
    """The platform sent something that this version does not know; told once for each."""

    place: str
    name: str
    shape: str
    """JSON, without texts, ids or secrets (`xyfleet.worker.protocol.shape`)."""


class Told(Message, frozen=True, tag="told"):
    """The handler has something for a person: an event."""

    number: int
    """Of this worker's: one does not take another's place on the pipe."""
    kind: Literal["handed_over", "handler_alert"]
    text: str
    conversation: str | None = None
    minutes: float | None = None
    """For how long it is a person's."""


# Down: supervisor to worker.


class Ticket(Message, frozen=True, tag="ticket"):
    """Permission to dial once, with a valid access token."""

    request: int
    """0 in the ticket that a new process carries."""
    serial: int
    """Number of the token, growing with every token call of this account."""
    token: Secret
    fresh: bool = False
    """Whether the token was issued for this very request."""


class Go(Message, frozen=True, tag="go"):
    """The first command, once, before which a worker does nothing: who to be, and the ticket if one is at hand."""

    settings: WorkerSettings
    ticket: Ticket | None = None


class Queued(Message, frozen=True, tag="queued"):
    """Not yet; repeated every few seconds while pacing or an outage holds the request back."""

    request: int
    why: Reason | None = None


class Refusal(Message, frozen=True, tag="refusal"):
    """No ticket; the attempt has failed with this cause."""

    request: int
    cause: Cause
    reason: Reason


class Reconnect(Message, frozen=True, tag="reconnect"):
    """Dial now: ends a wait, revives FAILED, and (with `drop`) ends a live connection first."""

    why: str
    drop: bool = True
    stale: bool = False
    """Whether the token in hand is void (new credentials): ask with its serial as stale."""


class Apply(Message, frozen=True, tag="apply"):
    """New settings that take effect without a restart."""

    settings: WorkerSettings


class Send(Message, frozen=True, tag="send"):
    """Send a text; answered by `Sent`."""

    request: int
    conversation: str
    text: str
    image: str | None = None
    """Path of an image that is sent instead of a text."""
    receiver: str | None = None
    """User id; null = whoever wrote last in that conversation."""


class Uploaded(Message, frozen=True, tag="uploaded"):
    """What became of an `UploadRequest`."""

    request: int
    picture: Picture | None = None
    reason: str | None = None
    """Why there is none."""
    later: bool = False
    """Whether another try may do better."""


class Answered(Message, frozen=True, tag="answer"):
    """What came of an `Ask`: a value, or why there is none."""

    request: int
    value: Any = None
    """As JSON: of `item` an `Item`, of `order` an `Order`, of `orders` an `OrderPage`, of `ship` a `Shipped`."""
    reason: Reason | None = None


class RenewHandler(Message, frozen=True, tag="renew"):
    """Load the handler anew if its files changed; answered by `HandlerRenewed`."""

    request: int
    only_look: bool = False
    """Load nothing, tell whether anything would be."""


class Redo(Message, frozen=True, tag="redo"):
    """Give dead letters to the handler again; answered by `Redone`."""

    request: int
    ids: list[str] = []
    """None named: all."""


class TalkRequest(Message, frozen=True, tag="talk"):
    """Ask the platform about conversations, or do something in one; answered by `TalkPiece`s."""

    request: int
    question: TalkQuestion


class CatchUpTurn(Message, frozen=True, tag="turn"):
    """Look for missed messages now."""


class Stop(Message, frozen=True, tag="stop"):
    """Close politely and exit 0."""


Requests = TicketRequest | CatchUpRequest | UploadRequest | Ask
"""Up: what the supervisor answers."""
Up = Requests | Hello | Alive | Report | Sent | Redone | HandlerRenewed | TalkPiece | Strange | Told
AboutMessages = Send | Redo | RenewHandler | TalkRequest | CatchUpTurn | Uploaded | Answered
"""Down: what the worker's message service takes."""
Down = Ticket | Queued | Refusal | Reconnect | Apply | AboutMessages | Stop
