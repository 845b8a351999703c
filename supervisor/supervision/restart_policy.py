"""How long an account waits after a fault, and what a fault can't be mended by. Pure.

A login is the riskiest act, a token call the next, so every step is tried only after the one before it failed
(docs/decisions.md, "What the supervisor does about a worker").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xyfleet.supervisor.settings import Settings
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason

HOUR: Final = 3600.0
RISK_HOLD: Final = (30 * 60.0, 24 * HOUR)
"""First and longest wait before a probe after risk control or a removed session."""
RIVAL_HOLD: Final = (10 * 60.0, 2 * HOUR)
"""First and longest wait while another program holds the account."""
HOLDS: Final = {Cause.RISK: RISK_HOLD, Cause.REMOVED: RISK_HOLD, Cause.RIVAL: RIVAL_HOLD}
HOPELESS_FOR_LOGIN: Final = frozenset({Cause.BUG, Cause.PROTOCOL, Cause.LIMIT, Cause.STORAGE})
"""Causes that a login can't touch: a counted restart is all there is."""
_SIGNING: Final = frozenset({"signing_refused", "signing_not_renewed"})
"""What is wrong with a cookie, not with the way to the service: a new one may help."""
_NO_WEBSOCKET: Final = frozenset({"handshake_failed", "too_many_connections"})
"""HTTP answers at the handshake that say nothing of the token: 5xx, 429, and what no such server should say."""
PROXY_WAIT: Final = 60.0
"""Seconds until a hook is asked for again that could not run because its account's proxy does not answer."""
MOST_CRASHES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRules:
    """The file's `restart` settings, and whether there is a refresh hook. Seconds."""

    backoff_max: float = 900.0
    healthy_after: float = 120.0
    failed_grace: float = 60.0
    has_hook: bool = False

    @property
    def quarantine_from(self) -> float:
        """The restart window from which an account counts as quarantined: 300 s of the default 900 s."""
        return self.backoff_max / 3


def restart_rules(settings: Settings) -> RestartRules:
    """Return the rules that the file sets."""
    restart = settings.fleet.restart
    return RestartRules(
        backoff_max=restart.backoff_max,
        healthy_after=restart.healthy_after,
        failed_grace=restart.failed_grace,
        has_hook=settings.refresh.command is not None,
    )


def unanswered(cause: Cause, reason: Reason | None) -> bool:
    """
    Say whether a worker gave up for want of an answer about its login or token: a new one of either helps nothing.

    That is a token call that failed, or an HTTP answer in the place of a WebSocket (401 and 403 are about the token).
    """
    if cause is Cause.PLATFORM or (reason is not None and reason.code in _NO_WEBSOCKET):
        return True
    what = reason.fields.get("of") if reason is not None and reason.code == "token_call" else None
    return isinstance(what, Reason) and what.code not in _SIGNING


def restart_window(crashes: int, rules: RestartRules) -> float:
    """Return the window that the next restart's delay is drawn from, after so many crashes: none for the first."""
    return 0.0 if crashes == 0 else min(2.0 ** (crashes - 1), rules.backoff_max)


def hold_time(cause: Cause, level: int) -> float:
    """Return for how long an account is left alone the next time, after `level` holds in a row."""
    first, longest = HOLDS[cause]
    return min(first * 2.0**level, longest)
