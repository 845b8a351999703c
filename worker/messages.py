"""What supervisor and worker say to each other over their two pipes, and how it is framed. Pure.

Each message is four bytes of big-endian length and that many bytes of JSON. Going up a whole frame is at most
`PIPE_BUF` (4096) bytes, so that a non-blocking write takes all of it or nothing (pipe(7)). Nothing is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import MASK, Secret
from xyfleet.worker.settings import WorkerSettings
from xyfleet.worker.states import State

MAX_UP: Final = 4092
"""Most bytes of JSON in a message from a worker."""
MAX_DOWN: Final = 256 * 1024
"""Most bytes of JSON in a message to a worker."""
MAX_REASON: Final = 200
"""Most characters of a reason; longer ones are cut."""
MAX_CHANGES: Final = 8
"""Most state changes in one report; of a longer row the newest are kept."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", omit_defaults=True):
    """Any message on a pipe."""


class Window(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The heart's figures, over the life of the worker (cumulative) and, for times, over the sliding window."""

    sent: int = 0
    answered: int = 0
    expired: int = 0
    """Beats whose deadline passed without an answer."""
    due: int = 0
    """Beats that the grid asked for, sent or not."""
    abnormal: int = 0
    """Non-200 or malformed answers."""
    rtt_last: float | None = None
    """Round trips in milliseconds."""
    rtt_mean: float | None = None
    rtt_p95: float | None = None
    streak: int = 0
    best_streak: int = 0
    last_sent: float | None = None
    """Wall times, seconds since the epoch."""
    last_answered: float | None = None
    reconnects: int = 0
    reconnects_last_hour: int = 0
    reconnects_by_cause: dict[str, int] = {}
    pushes: int = 0
    """Pushes acked."""


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One move of the state table."""

    time: float
    """Wall time, seconds since the epoch."""
    old: State
    new: State
    cause: Cause | None = None
    reason: str | None = None


# Up: worker to supervisor.


class Hello(Message, frozen=True, tag="hello"):
    """First message of a worker."""

    pid: int
    marker: str
    """Version and file digest that the preload left (`xyfleet.worker.preload.MARKER`)."""
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
    reason: str | None = None
    failures: int = 0
    next_attempt: float | None = None
    """Wall time."""
    window: Window = Window()
    changes: list[Change] = []
    memory: int | None = None
    """PSS in bytes, read once a minute."""
    note: str | None = None
    """What a person should know while it lasts: log lines that could not be written."""
    cpu: float = 0.0
    """CPU seconds that the worker has used so far."""


class TicketRequest(Message, frozen=True, tag="ask"):
    """May I dial, and with which token?"""

    request: int
    """Number of this request, echoed by the answers."""
    stale: int | None = None
    """Serial of a token that the gateway refused or that a kick-out voided: another one is wanted."""


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


class Queued(Message, frozen=True, tag="queued"):
    """Not yet; repeated every few seconds while pacing or an outage holds the request back."""

    request: int
    why: str = ""


class Refusal(Message, frozen=True, tag="refusal"):
    """No ticket; the attempt has failed with this cause."""

    request: int
    cause: Cause
    reason: str


class Reconnect(Message, frozen=True, tag="reconnect"):
    """Dial now: ends a wait, revives FAILED, and (with `drop`) ends a live connection first."""

    why: str
    drop: bool = True
    stale: bool = False
    """Whether the token in hand is void (new credentials): ask with its serial as stale."""


class Apply(Message, frozen=True, tag="apply"):
    """New settings that take effect without a restart."""

    settings: WorkerSettings


class Stop(Message, frozen=True, tag="stop"):
    """Close politely and exit 0."""


Up = Hello | Alive | Report | TicketRequest
Down = Ticket | Queued | Refusal | Reconnect | Apply | Stop


def _encode_secret(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(f"cannot encode {type(value).__name__}")


def _decode_secret(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError(f"{kind.__name__} must be a text")  # which msgspec makes its own error


_encoder: Final = msgspec.json.Encoder(enc_hook=_encode_secret)
_decode_up: Final[msgspec.json.Decoder[Up]] = msgspec.json.Decoder(Up)
_decode_down: Final[msgspec.json.Decoder[Down]] = msgspec.json.Decoder(Down, dec_hook=_decode_secret)
_decode_settings: Final = msgspec.json.Decoder(WorkerSettings, dec_hook=_decode_secret)


class BadMessage(Exception):
    """A frame that is too long, not JSON or not one of ours; the stream behind it can't be trusted."""


def encode(message: Message, limit: int) -> bytes:
    """Return the frame of `message`, or raise `BadMessage` when its JSON is longer than `limit` bytes."""
    body = _encoder.encode(message)
    if len(body) > limit:
        raise BadMessage(f"message of {len(body)} bytes, at most {limit}")
    return len(body).to_bytes(4, "big") + body


def decode_up(body: bytes) -> Up:
    """Return a worker's message, or raise `BadMessage`."""
    try:
        return _decode_up.decode(body)
    except msgspec.MsgspecError as error:
        raise BadMessage(str(error)) from None


def decode_down(body: bytes) -> Down:
    """Return a supervisor's message, or raise `BadMessage`."""
    try:
        return _decode_down.decode(body)
    except msgspec.MsgspecError as error:
        raise BadMessage(str(error).replace("\n", " ") or MASK) from None


def encode_settings(settings: WorkerSettings) -> bytes:
    """Return the settings as JSON, for the private start pipe."""
    return _encoder.encode(settings)


def decode_settings(body: bytes) -> WorkerSettings:
    """Return the settings that `encode_settings` wrote."""
    return _decode_settings.decode(body)


def cut(reason: str) -> str:
    """Return `reason` as one line of printable characters, at most `MAX_REASON` of them; servers write into it."""
    line = reason
    if not line.isprintable():
        line = " ".join("".join(char if char.isprintable() else " " for char in reason).split())
    return line if len(line) <= MAX_REASON else line[: MAX_REASON - 1] + "…"


class Splitter:
    """Turns the bytes of a pipe back into message bodies. Half a frame waits for its rest; nothing blocks."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield every body that is whole now, or raise `BadMessage` for a length above the limit."""
        self._buffer += data
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "big")
            if size > self._limit:
                raise BadMessage(f"frame of {size} bytes, at most {self._limit}")
            if len(self._buffer) < 4 + size:
                return
            body = bytes(self._buffer[4 : 4 + size])
            del self._buffer[: 4 + size]
            yield body
