"""The locks of users among all fleets of this machine: where they are, and those that nobody has any more. Shell."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Final

from xyfleet.worker.settings import DEFAULT_ENDPOINT
from xyfleet.worker.user_lock import UserLock

_END: Final = ".lock"


def lock_file(folder: Path, unb: str, endpoint: str) -> Path:
    """Return a user's lock. Users of another service than the real one are other users, whatever their numbers are."""
    other = "" if endpoint == DEFAULT_ENDPOINT else f"-{hashlib.sha256(endpoint.encode()).hexdigest()[:8]}"
    return folder / f"{unb}{other}{_END}"


def sweep(folder: Path) -> None:
    """Remove the locks that nobody has: killed processes left them. Raises nothing."""
    with contextlib.suppress(OSError):
        for path in folder.glob(f"*{_END}"):
            lock = UserLock(str(path))
            if lock.take():
                lock.release()
