"""What the gateway knows of each account: logins, counters, live connections. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Final

from xyfleet.supervisor.simulator.mailbox import Mailbox
from xyfleet.supervisor.simulator.shop import Shop

_KEPT: Final = 10_000
"""Most times of dials, times of token calls and acked pushes kept for each account."""


def _newest() -> deque[Any]:
    return deque(maxlen=_KEPT)


@dataclass(slots=True)
class Counters:
    """Figures of one account, or of connections that nobody put a name to; all but `live` and `sockets` only grow."""

    live: int = 0
    """Registered connections open now; a stalled one is none, for its end could not be heard."""
    max_live: int = 0
    overlaps: int = 0
    """Registrations while another connection of the account was live."""
    sockets: int = 0
    dials: int = 0
    dial_times: deque[float] = field(default_factory=_newest)
    """Monotonic times of the handshakes."""
    regs: int = 0
    regs_ok: int = 0
    beats: int = 0
    answers: int = 0
    """Beats answered as they should be, with or without a body."""
    pushes: int = 0
    repushes: int = 0
    acks: int = 0
    bad_acks: int = 0
    """Acks of a push in flight whose code or copied headers are wrong; they are no acks."""
    bad_frames: int = 0
    calls: int = 0
    sends: int = 0
    uuid_repeats: int = 0
    """Sends with a uuid that was used before; they are answered as before and send nothing."""
    refused: int = 0
    """Handshakes that were not taken for what their head says."""
    kicks: int = 0
    token_calls: int = 0
    token_times: deque[float] = field(default_factory=_newest)
    tokens_issued: int = 0
    asks: dict[str, int] = field(default_factory=dict)
    """Signed calls besides the token's, by their API."""
    closes: dict[str, int] = field(default_factory=dict)
    """How connections ended: the code of the client's close frame, or `none` without one."""

    def ended(self, code: int | None) -> None:
        """Count the end of a connection."""
        name = "none" if code is None else str(code)
        self.closes[name] = self.closes.get(name, 0) + 1

    def view(self) -> dict[str, Any]:
        """Return the figures in a form that JSON knows."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {"dial_times": list(self.dial_times), "token_times": list(self.token_times)}


def total(counters: Iterable[Counters]) -> dict[str, Any]:
    """Return the sums over `counters`, times in their order."""
    sums = Counters().view()
    for one in counters:
        for name, value in one.view().items():
            if isinstance(value, dict):
                for code, number in value.items():
                    sums[name][code] = sums[name].get(code, 0) + number
            else:
                sums[name] += value
    return sums | {"dial_times": sorted(sums["dial_times"]), "token_times": sorted(sums["token_times"])}


@dataclass(slots=True)
class Account:
    """One account, known from its first `/reg`, token call or push on."""

    unb: str
    counters: Counters = field(default_factory=Counters)
    mailbox: Mailbox = field(default_factory=Mailbox)
    shop: Shop = field(default_factory=Shop)
    acked: deque[str] = field(default_factory=_newest)
    """Mids of the newest pushes that were acked."""
    ack_ms: deque[float] = field(default_factory=_newest)
    """How long the acks of these took, each since its push was last sent."""
    _logins: set[str] = field(default_factory=set)
    _dead_logins: set[str] = field(default_factory=set)

    def login(self, fingerprint: str) -> bool:
        """Note a login that was shown, and tell whether it is alive."""
        self._logins.add(fingerprint)
        return fingerprint not in self._dead_logins

    def expire(self) -> None:
        """Void every login seen so far; one never seen before is a new login and good."""
        self._dead_logins |= self._logins
