"""Is it one account, or is it everybody? The fleet-wide view that holds restarts, token calls and logins back. Pure.

At least 3 accounts, and at least 30 % of those that tried in the last 60 s, failed with one cause; or the endpoint
does not answer a probe. A try is an account's latest attempt or loss; a later success wipes its failure out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xyfleet.worker.causes import Cause

WINDOW: Final = 60.0
LEAST: Final = 3
SHARE: Final = 0.3
PROBE_EVERY: Final = 2.0
PROBE_LONGEST: Final = 120.0
"""The probe's interval doubles up to this when the trouble comes back within `WINDOW` of its end."""
CANARY_WAIT: Final = (600.0, 7200.0)
"""Between one canary that did not sing and the next, doubling."""
PROBED: Final = frozenset({Cause.CLOSED, Cause.HEARTBEAT, Cause.NETWORK, Cause.PROTOCOL, Cause.LIMIT})
"""Causes that a login can't touch: over when the endpoint answers."""
CANARIED: Final = frozenset({Cause.AUTH, Cause.REFUSED})
"""Causes that a login might mend: one account tries it for all."""


@dataclass(slots=True)
class Outage:
    """One fleet-wide trouble."""

    cause: Cause
    since: float
    accounts: int
    next_try: float
    """When the next probe or canary is due."""
    canary: str | None = None
    canary_wait: float = CANARY_WAIT[0]


class OutageWatch:
    """Listens to every attempt's outcome and says when the fleet as a whole is in trouble."""

    def __init__(self) -> None:
        self.current: Outage | None = None
        self._latest: dict[str, tuple[float, Cause | None]] = {}
        self._ended: float | None = None
        self._probe_wait = PROBE_EVERY

    def succeeded(self, account: str, now: float) -> bool:
        """Note a CONNECTED account; return True when that ends the outage: the canary sang."""
        self._latest[account] = (now, None)
        if self.current is not None and self.current.canary == account:
            self._end(now)
            return True
        return False

    def failed(self, account: str, cause: Cause, now: float) -> bool:
        """Note a failed attempt or a loss; return True when that begins an outage."""
        self._latest[account] = (now, cause)
        outage = self.current
        if outage is not None:
            if outage.canary == account and cause in CANARIED:
                self.canary_done(now)
            return False
        if cause not in PROBED | CANARIED:
            return False
        recent = [seen for at, seen in self._latest.values() if now - at <= WINDOW]
        same = sum(seen is cause for seen in recent)
        if same < LEAST or same < SHARE * len(recent):
            return False
        self._begin(cause, same, now)
        return True

    def endpoint_silent(self, account_count: int, now: float) -> bool:
        """Note that the endpoint did not answer a probe; return True when that begins an outage."""
        if self.current is not None:
            return False
        self._begin(Cause.NETWORK, account_count, now)
        return True

    def probe_due(self, now: float) -> bool:
        """Whether the endpoint should be probed now."""
        outage = self.current
        return outage is not None and outage.cause in PROBED and now >= outage.next_try

    def probed(self, answered: bool, now: float) -> bool:
        """Take a probe's result; return True when it ends the outage."""
        if self.current is None:
            return False
        if not answered:
            self.current.next_try = now + PROBE_EVERY
            return False
        self._end(now)
        return True

    def canary_due(self, now: float) -> bool:
        """Whether an account should be sent ahead now."""
        outage = self.current
        return outage is not None and outage.cause in CANARIED and outage.canary is None and now >= outage.next_try

    def send_canary(self, account: str) -> None:
        """`account` goes ahead alone."""
        assert self.current is not None
        self.current.canary = account

    def canary_done(self, now: float) -> None:
        """The canary's step is over and it is not CONNECTED: the next one later."""
        if self.current is not None and self.current.canary is not None:
            self.current.canary = None
            self.current.next_try = now + self.current.canary_wait
            self.current.canary_wait = min(2 * self.current.canary_wait, CANARY_WAIT[1])

    def holds(self, account: str) -> bool:
        """Whether this account's restarts, token calls and logins must wait."""
        return self.current is not None and self.current.canary != account

    def forget(self, account: str, now: float) -> None:
        """The account was removed or stopped."""
        self._latest.pop(account, None)
        if self.current is not None and self.current.canary == account:
            self.canary_done(now)

    def _begin(self, cause: Cause, accounts: int, now: float) -> None:
        back_again = self._ended is not None and now - self._ended <= WINDOW
        self._probe_wait = min(2 * self._probe_wait, PROBE_LONGEST) if back_again else PROBE_EVERY
        first = now if cause in CANARIED else now + self._probe_wait
        self.current = Outage(cause, now, accounts, first)

    def _end(self, now: float) -> None:
        self.current = None
        self._ended = now
        self._latest.clear()
