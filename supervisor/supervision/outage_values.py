"""What an outage is, of whom and of what. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret


class Group(StrEnum):
    """Causes that have one remedy."""

    REACH = "reach"
    """The server can't be reached, or turns everybody away: over when a probe is answered."""
    LOGIN = "login"
    """Logins are refused: one account, the canary, tries for all."""


GROUPS: Final[Mapping[Cause, Group]] = {
    Cause.CLOSED: Group.REACH,
    Cause.HEARTBEAT: Group.REACH,
    Cause.NETWORK: Group.REACH,
    Cause.PROTOCOL: Group.REACH,
    Cause.LIMIT: Group.REACH,
    Cause.PLATFORM: Group.REACH,
    Cause.AUTH: Group.LOGIN,
    Cause.REFUSED: Group.LOGIN,
}

Egress = Hashable
"""A proxy's address, or None for the direct way."""


class Platform:
    """The scope of all egresses."""

    def __repr__(self) -> str:
        return "platform"


PLATFORM: Final = Platform()
Scope = Hashable


@dataclass(slots=True)
class Outage:
    """One trouble of one scope."""

    scope: Scope
    group: Group
    cause: Cause
    since: float
    accounts: int
    """How many were down when it began."""
    next_try: float
    """When the next probe or canary is due."""
    probe_wait: float
    canary_wait: float
    canary: str | None = None
    canary_since: float = 0.0
    logged_in: bool = False
    """Whether its canary's login hook has run in this turn."""


def scope_key(scope: Scope) -> str:
    """Return what stands for a scope in a file: nothing that tells a proxy's address or password."""
    if isinstance(scope, Secret):
        return f"proxy-{hashlib.sha256(scope.reveal().encode()).hexdigest()[:16]}"
    return "platform" if scope is PLATFORM else "direct"
