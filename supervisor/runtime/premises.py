"""What is prepared before the supervisor's event loop begins. Pure (a value)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from xyfleet.supervisor.api.tcp_listener import TcpListener
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.runtime.instance_lock import Lock
from xyfleet.supervisor.settings import Settings
from xyfleet.supervisor.simulator.embedded import EmbeddedGateway
from xyfleet.supervisor.workers.forkserver import Forkserver


class Premises(NamedTuple):
    """All that was prepared before the event loop."""

    settings: Settings
    env: Mapping[str, str]
    language: str
    detached: bool
    fresh: bool
    verbose: bool
    socket: Path
    locks: tuple[Lock, ...]
    """Of the state and of the run folder."""
    store: Store
    forkserver: Forkserver
    embedded: EmbeddedGateway | None
    door: TcpListener | None
    """Where the API listens on TCP."""
    user_locks: Path
    """Where the fleets of this machine lock their users."""
