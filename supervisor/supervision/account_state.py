"""The condition of one account, as one value that can be written down and read back. Pure.

Three parts vary apart (a hook runs with or without a worker, a hold outlives a worker), beside the wish; `transitions`
alone moves them. Times are seconds of one monotonic clock, given by the caller.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

import msgspec

from xyfleet.worker.causes import Cause

HOUR: Final = 3600.0


class Wish(StrEnum):
    """What the owner wants of the account."""

    RUN = "run"
    STOPPED = "stopped"
    """By an operator's command."""
    DISABLED = "disabled"
    """In the accounts file."""
    REMOVED = "removed"
    """From the accounts file."""


class Worker(StrEnum):
    """Where the account's worker process stands."""

    NONE = "none"
    QUEUED = "queued"
    """Waits for its turn in the start queue."""
    STARTING = "starting"
    """Its start was asked for."""
    LIVE = "live"
    STOPPING = "stopping"


class Login(StrEnum):
    """Where the account's login stands."""

    FINE = "fine"
    """As far as anybody knows."""
    HOOK_WAITING = "hook_waiting"
    """The login hook is to run; `waits_for` says what it waits for."""
    HOOK_RUNNING = "hook_running"
    HELD = "held"
    """Left alone until `hold` ends: risk control, a removed session, a rival."""
    PERSON = "person"
    """Nothing helps but a person; `person` says why."""


WaitsFor = Literal["place", "cooldown", "proxy", "outage"]
"""`place`: fewer hooks must run; `cooldown`: the hook's own pause or budget; `proxy`: the account's proxy is silent."""
Person = Literal["no_hook", "hook_says"]
TimerKind = Literal["restart", "grace", "hold", "hook", "healthy"]
"""What a timer does when it rings: `restart` starts a worker, `grace` restarts one that is FAILED still, `hold` probes,
`hook` asks for the hook again, `healthy` forgets the crashes."""


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Why and how long an account is left alone."""

    cause: Cause
    until: float


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """The one thing that the account waits for by the clock."""

    number: int
    kind: TimerKind
    at: float


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides what is done about one account."""

    wish: Wish = Wish.RUN
    worker: Worker = Worker.NONE
    then: float | None = None
    """While STOPPING: delay of the next start; None: none follows."""
    login: Login = Login.FINE
    waits_for: WaitsFor | None = None
    hook_needed: bool = False
    """Whether the hook is to run as soon as its cool-down allows (else now or not at all)."""
    asked: bool = False
    """Whether an operator asked for the hook: then it runs although the account is connected."""
    proxy_said: bool = False
    """Whether it was told that the hook waits for the account's proxy."""
    person: Person | None = None
    hold: Hold | None = None
    timer: Timer | None = None
    user: bool = True
    """Whether there ever was a cookie, so that a worker has somebody to be."""
    up: bool = False
    """Whether it is CONNECTED."""
    failed: Cause | None = None
    """Why the live worker is FAILED."""
    cause: Cause = Cause.AUTH
    """Of the last loss; `auth` where there never was one, since then there is no cookie."""
    reach_gate: bool = False
    """An outage holds back dials, token calls, hooks and restarts."""
    login_gate: bool = False
    """An outage holds back token calls and hooks."""
    last_number: int = 0
    start: int | None = None
    """Number of the start that was asked for and has not ended in a worker yet."""
    hook: int | None = None
    """Number of the hook run that was asked for."""
    crashes: int = 0
    window: float = 0.0
    """The restart delay is drawn from [0, window]."""
    healthy_since: float | None = None
    fresh_restart_at: float | None = None
    """When it was last restarted only to get a new token."""
    hold_level: int = 0
    held_for: float = 0.0


class Process(StrEnum):
    """What `status` shows of a condition."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    REFRESHING = "refreshing"
    QUARANTINED = "quarantined"
    NEEDS_LOGIN = "needs_login"
    STOPPED = "stopped"
    DISABLED = "disabled"


def process_of(it: Condition, quarantine_from: float) -> Process:
    """Return what is shown; `quarantine_from` is the restart window from which an account counts as quarantined."""
    if it.worker is Worker.STOPPING:
        return Process.STOPPING
    if it.wish is not Wish.RUN:
        return Process.STOPPED if it.wish is Wish.STOPPED else Process.DISABLED
    if it.login is Login.PERSON:
        return Process.NEEDS_LOGIN
    if it.login is Login.HOOK_RUNNING:
        return Process.REFRESHING
    if it.login in (Login.HELD, Login.HOOK_WAITING) and not it.up:
        return Process.WAITING
    if it.worker is Worker.LIVE:
        return Process.WAITING if it.failed is not None and it.reach_gate else Process.RUNNING
    if it.timer is not None and it.timer.kind == "restart":
        return Process.QUARANTINED if it.window >= quarantine_from else Process.BACKOFF
    if it.worker is Worker.NONE and it.reach_gate:
        return Process.WAITING
    return Process.STARTING
