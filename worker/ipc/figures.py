"""How an account stands, in numbers, as its worker tells the supervisor: parts of a report. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason
from xyfleet.worker.states import State

MAX_CHANGES: Final = 8
"""Most state changes in one report; of a longer row the newest are kept."""


class HourFigures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The heart's figures over the last hour, in steps of five minutes, or since the worker started."""

    sent: int = 0
    answered: int = 0
    expired: int = 0
    due: int = 0
    rtt_mean: float | None = None
    """Round trips in milliseconds, of the latest 240 at most."""
    rtt_p95: float | None = None
    best_streak: int = 0
    """The longest row of answered beats."""
    reconnects_by_cause: dict[str, int] = {}


class HeartbeatFigures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The heart's figures over the life of the worker; of times, over the latest hundred."""

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
    hour: HourFigures = HourFigures()


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One move of the state table."""

    time: float
    """Wall time, seconds since the epoch."""
    old: State
    new: State
    cause: Cause | None = None
    reason: Reason | None = None


class MailFigures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the account's messages are. Numbers of the inbox are those at its last commit."""

    stored: int = 0
    """Highest row number: whoever reads the inbox has something to read when it grew."""
    waiting: int = 0
    """Messages that the handler has yet to answer."""
    dead: int = 0
    """Dead letters: failed or parked."""
    unsent: int = 0
    """In the outbox, not yet sent."""
    recovered: int = 0
    """Found by catching up, since the worker started."""
    zombies: int = 0
    """Connections that beat but brought no messages, since the worker started."""
    last: float | None = None
    """Wall time at which the last message came."""
    trouble: Reason | None = None
    """Why messages can't be stored: while it lasts none is acked."""
    inbox_note: Reason | None = None
    """What a person should know of the inbox though it works: it was lost, or its log is large."""
    handler_stale: str | None = None
    """A file of the handler's that is not what was loaded."""
    handler_trouble: Reason | None = None
    """Why the handler can't be called."""
    strange: dict[str, int] = {}
    """How often came what this version does not know, by place and name."""
    bounded: str | None = None
    """A conversation whose talk is left to a person, because it had too many automatic messages; the latest."""
