"""What can happen to an account, and what is done about it, as values. Pure.

`transitions` moves an account's condition by the first and answers with the second.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from xyfleet.supervisor.supervision.account_state import TimerKind
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason

HookEnd = Literal["new", "unchanged", "failed", "person", "not_allowed", "proxy"]
"""How a hook run that was asked for came to its end. `not_allowed`: its cool-down or budget forbids it now;
`proxy`: the account's proxy does not answer."""


class Kind(StrEnum):
    """The kinds of event."""

    # The owner.
    BEGIN = "begin"
    """The supervisor knows it from now on."""
    WANT = "want"
    UNWANT = "unwant"
    RESTART = "restart"
    RECONNECT = "reconnect"
    REFRESH = "refresh"
    COOKIE = "cookie"
    FORGET = "forget"
    ENABLED = "enabled"
    DISABLED = "disabled"
    REMOVED = "removed"
    SETTINGS_LIVE = "settings_live"
    SETTINGS_RESTART = "settings_restart"
    FAULT = "fault"
    """Something that it asked for could not be done, or a message of its worker could not be taken."""
    # The worker.
    TURN = "turn"
    SPAWNED = "spawned"
    SPAWN_FAILED = "spawn_failed"
    CONNECTED = "connected"
    LOST = "lost"
    FAILED = "failed"
    DIALS = "dials"
    """It leaves FAILED."""
    OUTGROWN = "outgrown"
    GONE = "gone"
    FOREIGN = "foreign"
    # The login hook.
    HOOK_STARTED = "hook_started"
    HOOK_ENDED = "hook_ended"
    # Everybody.
    GATES = "gates"
    TIMER = "timer"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened to one account."""

    kind: Kind
    number: int | None = None
    """Of the request that this answers. An answer whose number is not held any more changes nothing."""
    cause: Cause | None = None
    why: str | None = None
    """A key of `labels.WHY_RESTART`, or whose command it was."""
    reason: Reason | None = None
    """For the record."""
    end: HookEnd | None = None
    wait: float = 0.0
    """HOOK_ENDED: seconds until the hook may run again."""
    has_hook: bool = False
    """SETTINGS_LIVE: whether there is a login hook now."""
    reach: bool = False
    """GATES: whether an outage holds back dials, token calls, hooks and restarts."""
    login: bool = False
    """GATES: whether an outage holds back token calls and hooks."""


class Doing(msgspec.Struct, frozen=True, tag=str.lower):
    """Anything that is to be done; its name is in its JSON."""


class Queue(Doing, frozen=True):
    """Put it into the start queue."""


class Unqueue(Doing, frozen=True):
    """Take it out of the start queue."""


class StrikeOut(Doing, frozen=True):
    """The start that was asked for is not wanted any more; what comes of it ends by itself."""


class Stop(Doing, frozen=True):
    """End the worker politely, with SIGKILL after a while."""


class Reconnect(Doing, frozen=True):
    """Have the live worker dial now."""

    why: str
    """A code of `reasons.TEXTS`."""
    drop: bool
    """Whether a good connection is ended first."""
    stale: bool
    """Whether its token is void."""


class Brief(Doing, frozen=True):
    """Tell the live worker its settings as they are now."""


class AskHook(Doing, frozen=True):
    """Have the hook run as soon as there is a place, unless its cool-down forbids it: then say so."""

    number: int
    cause: Cause


class CancelHook(Doing, frozen=True):
    """End the hook's run, or its waiting: its answer is not wanted any more."""


class CancelTicket(Doing, frozen=True):
    """Whoever gets a ticket for it stops."""


class VoidToken(Doing, frozen=True):
    """The next token must be a new one."""


class ForgiveToken(Doing, frozen=True):
    """Let its next token call be made, whatever the last one said."""


class SetTimer(Doing, frozen=True):
    """Send TIMER with this number at this time."""

    number: int
    at: float
    kind: TimerKind


class CancelTimer(Doing, frozen=True):
    """No timer is wanted."""


class Note(Doing, frozen=True):
    """Put an event on record; pairs of `kind` and `to` as in `labels`."""

    kind: Literal["restart", "refresh", "quarantine"]
    to: str
    why: str | None = None
    reason: Reason | None = None
    cause: Cause | None = None


Action = (
    Queue
    | Unqueue
    | StrikeOut
    | Stop
    | Reconnect
    | Brief
    | AskHook
    | CancelHook
    | CancelTicket
    | VoidToken
    | ForgiveToken
    | SetTimer
    | CancelTimer
    | Note
)
