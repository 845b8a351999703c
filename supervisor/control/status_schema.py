"""What `status --json` shows, as typed values: stable, additive only, unknown is null. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from xyfleet.supervisor.supervision.account_state import Process
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason
from xyfleet.worker.states import State


class RttView(msgspec.Struct, frozen=True, kw_only=True):
    """Heartbeat round trips in milliseconds."""

    last: float | None = None
    mean: float | None = None
    p95: float | None = None


class HourView(msgspec.Struct, frozen=True, kw_only=True):
    """The four metrics over the last hour."""

    sent: int = 0
    answered: int = 0
    success_rate: float | None = None
    send_rate: float | None = None
    rtt_ms: RttView = RttView()
    best_streak: int = 0


class HeartbeatView(msgspec.Struct, frozen=True, kw_only=True):
    """The four metrics' heartbeat part."""

    sent: int = 0
    answered: int = 0
    success_rate: float | None = None
    send_rate: float | None = None
    rtt_ms: RttView = RttView()
    streak: int = 0
    best_streak: int = 0
    last_sent: str | None = None
    last_answered: str | None = None
    hour: HourView = HourView()


class ReconnectView(msgspec.Struct, frozen=True, kw_only=True):
    """Reconnects over the life of the worker and the last hour."""

    total: int = 0
    last_hour: int = 0
    by_cause: dict[str, int] = {}
    last_hour_by_cause: dict[str, int] = {}


class RefreshView(msgspec.Struct, frozen=True, kw_only=True):
    """The refresh hook's history for this account."""

    attempts: int = 0
    last: str | None = None
    next_allowed: str | None = None
    left_today: int | None = None


class LoginView(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the login itself, whatever the connection does."""

    state: Literal["unknown", "ok", "dead"] = "unknown"
    since: str | None = None
    renewals: int = 0
    """How often the service has renewed it."""
    last_renewal: str | None = None
    """When it was last asked to."""
    next_renewal: str | None = None
    over: Reason | None = None
    """Why it is renewed no more."""
    expires: dict[str, str] = {}
    """What cookies say themselves of their end, by name."""


class MessagesView(msgspec.Struct, frozen=True, kw_only=True):
    """An account's messages; never their texts."""

    stored: int = 0
    """Messages stored so far."""
    waiting: int = 0
    """Of them, those that the handler has yet to answer."""
    dead: int = 0
    """Dead letters: those that it could not."""
    unsent: int = 0
    recovered: int = 0
    zombies: int = 0
    last: str | None = None
    trouble: str | None = None
    """Why messages can't be stored: while it lasts none is acked; raw words, as of all reasons."""
    trouble_because: Reason | None = None
    """The same as code and fields."""
    note: str | None = None
    """What a person should know of the inbox though it works: it was lost, or its log is large."""
    note_because: Reason | None = None
    handler_stale: str | None = None
    """A file of the handler's that changed since it was loaded: `xyfleet reload` loads it anew."""
    handler_trouble: str | None = None
    """Why the handler can't be called."""
    handler_trouble_because: Reason | None = None
    bounded: str | None = None
    """The conversation whose talk was last left to a person: it had too many automatic messages."""


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """One account in `status`. Times are RFC 3339 in UTC."""

    name: str
    label: str
    tags: tuple[str, ...]
    state: State
    process: Process
    pid: int | None
    generation: int
    since: str
    cause: Cause | None
    reason: str | None
    advice: str | None
    failures: int
    restarts: int
    next_attempt: str | None
    heartbeat: HeartbeatView
    reconnects: ReconnectView
    refresh: RefreshView
    cookie_source: str | None
    """`file`, `cookie_file`, `hook` or `login`; null = none yet."""
    memory_mib: float | None
    cpu_percent: float | None
    desired: str = "running"
    """`running` or `stopped`."""
    desired_by: str | None = None
    """Who stopped it, and when."""
    proxied: bool = False
    note: str | None = None
    """What troubles the worker besides its connection: a log that can't be written."""
    note_because: Reason | None = None
    messages: MessagesView = MessagesView()
    waits: Reason | None = None
    """What it waits for now: a turn, a place, the end of an outage."""
    because: Reason | None = None
    """`reason` as a code with fields."""
    login: LoginView = LoginView()
    drift: dict[str, int] = {}
    """How often came what this version does not know of the platform, such as `objectType 40999`."""
    browser: str | None = None
    """The browser that it shows itself as, by its user agent; a check by risk control must be passed in that one."""
    next_browser: str | None = None
    """The one that the file says, if it is another: it counts from the next login on."""
    to_be_shipped: int = 0
    """Delivered orders that are marked as shipped when that may be done."""


class OutageView(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet-wide trouble that holds back restarts, token calls and logins."""

    cause: Cause
    since: str
    accounts: int
    """How many accounts failed with it."""
    canary: str | None = None
    next_canary: str | None = None


class FleetView(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet's own line of `status`."""

    name: str
    pid: int
    version: str
    simulator: bool
    uptime: float
    outage: OutageView | None
    """One of the troubles of many, when there is any."""
    states: dict[str, int]
    """Connection states of enabled accounts, non-zero ones."""
    file: str
    detached: bool
    timezone: str | None = None
    """`fleet.timezone`: the zone in which people are shown times; null = the reader's own."""
    outages: list[OutageView] = []
    """All of them: of each way out (proxy or direct), and of the platform."""
    notes: list[str] = []
    """What a person should know: a full disk, a torn state file, program files changed, a lost terminal."""


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    fleet: FleetView
    accounts: list[AccountView]
