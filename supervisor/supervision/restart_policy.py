"""The ladder: what to do about one account's worker, one proven step at a time. Pure.

A login is the riskiest act, a token call the next, so every step is tried only after the one before it failed
(docs/decisions.md, "What the supervisor does about a worker"). Times are monotonic seconds given by the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from xyfleet.worker.causes import Cause

HOUR: Final = 3600.0
RISK_HOLD: Final = (30 * 60.0, 24 * HOUR)
"""First and longest wait before a probe after risk control or a removed session."""
RIVAL_HOLD: Final = (10 * 60.0, 2 * HOUR)
"""First and longest wait while another program holds the account."""
HOLDS: Final = {Cause.RISK: RISK_HOLD, Cause.REMOVED: RISK_HOLD, Cause.RIVAL: RIVAL_HOLD}
HOPELESS_FOR_LOGIN: Final = frozenset({Cause.BUG, Cause.PROTOCOL, Cause.LIMIT})
"""Causes that a login can't touch: a counted restart is all there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRules:
    """The file's `restart` settings, and whether there is a refresh hook. Seconds."""

    backoff_max: float = 900.0
    healthy_after: float = 120.0
    failed_grace: float = 60.0
    has_hook: bool = False

    @property
    def quarantine_from(self) -> float:
        """The restart delay from which an account counts as quarantined: 300 s of the default 900 s."""
        return self.backoff_max / 3


@dataclass(frozen=True, slots=True)
class Start:
    """Start a process after `delay` seconds; none lives now."""

    delay: float


@dataclass(frozen=True, slots=True)
class Restart:
    """End the live process and start another after `delay` seconds, with a new token."""

    delay: float


@dataclass(frozen=True, slots=True)
class Hook:
    """Run the refresh hook, as soon as its cool-down allows when `wait`, else now or not at all."""

    wait: bool


@dataclass(frozen=True, slots=True)
class Revive:
    """Tell the live worker to dial with a new token."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Leave the account alone for `delay` seconds, then revive it once as a probe."""

    delay: float


@dataclass(frozen=True, slots=True)
class NeedsLogin:
    """Nothing helps but a person."""


Step = Start | Restart | Hook | Revive | Hold | NeedsLogin


class Ladder:
    """Where one account stands on the ladder."""

    def __init__(self, rules: RestartRules, random: Callable[[], float]) -> None:
        self.rules = rules
        self._random = random
        self._crashes = 0
        self._window = 0.0
        self._healthy_since: float | None = None
        self._fresh_restart_at: float | None = None
        self._hold_level = 0
        self._hold = 0.0

    @property
    def quarantined(self) -> bool:
        """Whether restarts are so far apart by now that a person should look."""
        return self._window >= self.rules.quarantine_from

    def connected(self, now: float) -> None:
        """The connection is up."""
        if self._healthy_since is None:
            self._healthy_since = now

    def lost(self, now: float) -> None:
        """The connection ended, or the process did: settle what the healthy time earned."""
        healthy = 0.0 if self._healthy_since is None else now - self._healthy_since
        self._healthy_since = None
        if healthy >= self.rules.healthy_after:
            self._crashes, self._window = 0, 0.0
        if healthy > self._hold:
            self._hold_level, self._hold = 0, 0.0

    def exited(self, now: float) -> Start:
        """The process ended by itself, or was killed for a hang or for its memory."""
        self.lost(now)
        return Start(self._count())

    def failed(self, now: float, cause: Cause) -> Step:
        """The worker reports FAILED."""
        self.lost(now)
        if cause in HOLDS:
            return self._held(cause)
        if cause is Cause.AUTH:
            return Hook(wait=True) if self.rules.has_hook else NeedsLogin()
        if self._fresh_restart_at is None or now - self._fresh_restart_at > HOUR:
            self._fresh_restart_at = now
            return Restart(0.0)
        if cause in HOPELESS_FOR_LOGIN or not self.rules.has_hook:
            return Restart(self._count())
        return Hook(wait=False)

    def hook_succeeded(self) -> Step:
        """The hook gave a new cookie, or says that nothing had to change."""
        return Revive()

    def hook_failed(self, cause: Cause, *, needs_human: bool) -> Step:
        """The hook failed, or could not run now; `cause` is what it was to mend."""
        if needs_human:
            return NeedsLogin()
        return Hook(wait=True) if cause is Cause.AUTH else Restart(self._count())

    def still_failed(self) -> Step:
        """`failed_grace` after a revival the worker is FAILED as before."""
        return Restart(self._count())

    def forgive(self) -> None:
        """An operator's command or a new cookie: begin at the foot of the ladder."""
        self._crashes, self._window = 0, 0.0
        self._fresh_restart_at = None
        self._hold_level, self._hold = 0, 0.0

    def _held(self, cause: Cause) -> Hold:
        first, longest = HOLDS[cause]
        self._hold = min(first * 2**self._hold_level, longest)
        self._hold_level = min(self._hold_level + 1, 16)
        return Hold(self._hold)

    def _count(self) -> float:
        """Return the next restart's delay: none for the first, then full jitter in a doubling window."""
        self._window = 0.0 if self._crashes == 0 else min(2.0 ** (self._crashes - 1), self.rules.backoff_max)
        self._crashes = min(self._crashes + 1, 64)
        return self._random() * self._window
