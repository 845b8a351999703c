"""What the watch found in `cookie_file`s, beside what the settings read there: whose is newer. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from xyfleet.supervisor.credentials.cookies import unb
from xyfleet.supervisor.settings import Account
from xyfleet.worker.secret import Secret


class _Seen(NamedTuple):
    path: Path
    cookie: Secret
    at: float


class CookieFiles:
    """So nobody reads such a file in the loop, which a share whose server is gone would stop. Times are monotonic."""

    def __init__(self) -> None:
        self._read = 0.0
        self._seen: dict[str, _Seen] = {}

    def settings_read(self, at: float) -> None:
        """The accounts have settings now whose reading began then: what was seen before is older."""
        self._read = at
        self._seen = {name: seen for name, seen in self._seen.items() if seen.at >= at}

    def found(self, name: str, path: Path, cookie: Secret, at: float) -> None:
        """The watch found this in an account's file. If it looked before the settings did, its next look mends it."""
        self._seen[name] = _Seen(path, cookie, at)

    def newest(self, account: Account, read: Secret) -> Secret:
        """Return what an account's file holds, so far as is known: the settings `read` may be older."""
        seen = self._seen.get(account.name)
        if seen is None or seen.path != account.cookie_file or seen.at < self._read:
            return read
        # Another user's is not looked at here; that was done when the watch came to it.
        return seen.cookie if unb(seen.cookie) == unb(read) else read
