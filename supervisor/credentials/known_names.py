"""Which accounts a state folder knows, for who only looks and may not be its fleet. Shell."""

from __future__ import annotations

from pathlib import Path

import msgspec

from xyfleet.supervisor.common import atomic_files
from xyfleet.supervisor.common.paths import OLD_ACCOUNTS, fleet_file, name_file
from xyfleet.supervisor.credentials.fleet_document import FleetDocument


def ran_before(state_dir: Path, name: str) -> bool:
    """Say whether an account of this name ran here before; a folder that can't be read knows nobody."""
    if name_file(state_dir, name).exists() or (state_dir / OLD_ACCOUNTS / f"{name}.json").exists():
        return True
    try:
        found = atomic_files.read(fleet_file(state_dir), _decoded).value
    except OSError:
        return False
    return found is not None and name in found.names


def _decoded(data: bytes) -> FleetDocument:
    try:
        return msgspec.json.decode(data, type=FleetDocument)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise atomic_files.Unusable from None
