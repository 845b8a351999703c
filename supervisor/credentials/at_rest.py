"""What is kept of accounts, for who only looks: a fleet may run meanwhile, and nothing is changed. Shell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from xyfleet.supervisor.common import atomic_files
from xyfleet.supervisor.common.paths import fleet_file, user_file
from xyfleet.supervisor.credentials import record
from xyfleet.supervisor.credentials.fleet_document import FleetDocument
from xyfleet.supervisor.credentials.record import Credentials
from xyfleet.supervisor.credentials.state_files import StateRefused, decoded

T = TypeVar("T")


def records(state_dir: Path, names: Iterable[str]) -> dict[str, Credentials]:
    """Return the records of those accounts that have one that can be read."""
    fleet = _read(fleet_file(state_dir), msgspec.json.Decoder(FleetDocument).decode)
    users = {} if fleet is None else fleet.names
    found = {name: _read(user_file(state_dir, users[name]), record.decode) for name in names if name in users}
    return {name: held for name, held in found.items() if held is not None}


def _read(path: Path, decode: Callable[[bytes], T]) -> T | None:
    try:
        return atomic_files.read(path, lambda data: decoded(path, data, decode)).value
    except (OSError, StateRefused):
        return None  # another user's, or another version's: a start says so
