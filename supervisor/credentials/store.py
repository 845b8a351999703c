"""The state folder: each account's credentials, and what the operator wants stopped. Shell.

`accounts/<name>.json` (one small file per account, read when first asked for) and `desired.json`. Reading is done in
place, about 50 µs a file; writing is a thread's job (`xyfleet.supervisor.common.atomic_files`).
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from xyfleet.supervisor.common import atomic_files
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.common.paths import account_file
from xyfleet.supervisor.common.private_folders import reason
from xyfleet.supervisor.credentials import record
from xyfleet.supervisor.credentials.desired_state import Desired, Stopped
from xyfleet.supervisor.credentials.record import SCHEMA, Credentials, Source
from xyfleet.worker.secret import Secret

T = TypeVar("T")
_log: Final = logging.getLogger("xyfleet.store")


class StateRefused(Exception):
    """The state folder can't be used as it is; nothing in it was changed. `text` is for people."""

    def __init__(self, text: Text) -> None:
        self.text = text
        super().__init__(text.say("en"))


class _Header(msgspec.Struct):
    schema: int


class Store:
    """The state of a fleet. All methods are called in the event loop's thread."""

    def __init__(self, state_dir: Path, *, retry: float = 5.0) -> None:
        self._state_dir = state_dir
        self._accounts_dir = account_file(state_dir, "").parent
        self._desired_file = state_dir / "desired.json"
        self._files = atomic_files.Writer(retry=retry)
        self._held: dict[str, Credentials] = {}
        self._torn: dict[str, Text] = {}
        self._desired: Desired | None = None

    def load(self, names: Iterable[str]) -> None:
        """Make the folders and read what belongs to these accounts; for who holds the lock. Raises `StateRefused`."""
        try:
            self._accounts_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            desired = atomic_files.temporaries(self._state_dir, self._desired_file.name)
            for left in (*atomic_files.temporaries(self._accounts_dir), *desired):
                left.unlink()
        except OSError as error:
            raise _unreadable(self._accounts_dir, error) from None
        self._desired = self._read(self._desired_file, msgspec.json.Decoder(Desired).decode) or Desired()
        for name in names:
            self.get(name)

    def get(self, name: str) -> Credentials:
        """Return an account's credentials, empty ones for a new account; `save()` after a change."""
        held = self._held.get(name)
        if held is None:
            held = self._read(self._file(name), record.decode) or Credentials()
            self._held[name] = held
            if record.meet(held, time.time()):  # Written by a version that knew nothing of messages.
                self.save(name)
        return held

    def peek(self, name: str) -> Credentials:
        """Return what `get` would, and remember nothing; for any thread. Raises `StateRefused`."""
        held, path = self._held.get(name), self._file(name)
        if held is not None:
            return held
        try:
            return atomic_files.read(path, lambda data: _decode(path, data, record.decode)).value or Credentials()
        except OSError as error:
            raise _unreadable(path, error) from None

    def save(self, name: str) -> None:
        """Have an account's credentials written as they are now."""
        self._files.put(self._file(name), record.encode(self.get(name)))

    def forget(self, name: str) -> None:
        """Drop a removed account from memory. Its file stays, for the account may come back."""
        self._held.pop(name, None)

    async def erase(self, name: str) -> tuple[list[str], str | None]:
        """Delete an account's file in all its versions, and an operator's stop.

        Returns the paths that are gone now, and what the system said about one that could not go.
        """
        self._held[name] = Credentials()  # Not read again by who asks meanwhile.
        self._torn.pop(self._file(name).name, None)
        self.set_running([name])
        return await asyncio.to_thread(self._files.remove, self._file(name))

    def adopt(self, name: str, cookie: Secret, source: Source) -> bool:
        """Offer the cookie that the owner's file has; return whether it is new and was taken. `InvalidCookie`."""
        taken = record.adopt(self.get(name), cookie, source, uuid.uuid4())
        if taken:
            record.meet(self.get(name), time.time())
            self.save(name)
        return taken

    def replace(self, name: str, cookie: Secret, source: Source) -> None:
        """Take a cookie of the hook or of `login`. Raises `InvalidCookie` or `OtherUser`, changing nothing."""
        record.replace(self.get(name), cookie, source, uuid.uuid4())
        record.meet(self.get(name), time.time())
        self.save(name)

    def stopped(self, name: str) -> Stopped | None:
        """Return who stopped an account and when, None when it should run."""
        return self._wishes().stopped.get(name)

    def set_stopped(self, names: Iterable[str], by: str, at: float) -> None:
        """Keep accounts stopped from now on, across restarts of the supervisor too."""
        self._wishes().stopped.update((name, Stopped(by=by, at=at)) for name in names)
        self._save_desired()

    def set_running(self, names: Iterable[str]) -> None:
        """Forget an operator's stop."""
        wishes = self._wishes()
        changed = [wishes.stopped.pop(name, None) for name in names]
        if any(changed):
            self._save_desired()

    def forget_stops(self) -> None:
        """Let every account run again (`start --fresh`)."""
        self.set_running(list(self._wishes().stopped))

    def notes(self) -> list[Text]:
        """Return what a person should know: files that were torn, a disk that refuses."""
        notes = list(self._torn.values())
        if self._files.trouble is not None:
            template = N_("state can't be saved, the fleet goes on without: %(why)s")
            notes.append(Text(template, {"why": self._files.trouble}))
        return notes

    async def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything is on disk; False when it is not."""
        return await asyncio.to_thread(self._files.flush, timeout)

    async def close(self, timeout: float = 5.0) -> bool:
        """Write what is left and end the writing thread; return whether everything is on disk."""
        return await asyncio.to_thread(self._files.stop, timeout)

    def _file(self, name: str) -> Path:
        return account_file(self._state_dir, name)

    def _wishes(self) -> Desired:
        assert self._desired is not None, "load() comes first"
        return self._desired

    def _save_desired(self) -> None:
        self._files.put(self._desired_file, record.encode(self._wishes()))

    def _read(self, path: Path, decode: Callable[[bytes], T]) -> T | None:
        """Return a file's newest good version and note what was wrong with it."""
        try:
            found = atomic_files.read(path, lambda data: _decode(path, data, decode))
        except OSError as error:
            raise _unreadable(path, error) from None
        if found.torn:
            self._files.mark_torn(path)
            template = (
                N_("state file %(path)s was empty or torn; there was no good version of it, so it begins anew")
                if found.value is None
                else N_("state file %(path)s was empty or torn; the version before it is used")
            )
            self._torn[path.name] = Text(template, {"path": str(path)})
            _log.warning("%s", self._torn[path.name].say("en"))
        return found.value


def _decode(path: Path, data: bytes, decode: Callable[[bytes], T]) -> T:
    try:
        schema = msgspec.json.decode(data, type=_Header).schema
        if schema > SCHEMA:
            template = N_(
                "state file %(path)s was written by a newer xyfleet (schema %(found)d, this one knows %(known)d)"
            )
            raise StateRefused(Text(template, {"path": str(path), "found": schema, "known": SCHEMA}))
        return decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise atomic_files.Unusable from None


def _unreadable(path: Path, error: OSError) -> StateRefused:
    return StateRefused(Text(N_("cannot use %(path)s: %(why)s"), {"path": str(path), "why": reason(error)}))
