"""The state folder: what is kept of each user, and which account is which user. Shell.

`users/<unb>.json` (one small file per user, read when first asked for), `names/<name>.json` for an account of which
nobody knows yet who it is, and `fleet.json`. Records are frozen: who changes one puts another in its place. What is put
counts at once; whoever must know it on disk before he acts waits for `write` or `saved`. Reading is done in place,
about 50 µs a file; writing is a thread's job (`state_files`).
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NewType

from xyfleet.supervisor.common import atomic_files
from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.common.paths import fleet_file, inbox_file, name_file, user_file
from xyfleet.supervisor.credentials import cookies, move_v1, record
from xyfleet.supervisor.credentials.assignment import Assignment, assign
from xyfleet.supervisor.credentials.fleet_book import FleetBook
from xyfleet.supervisor.credentials.record import Credentials, Source
from xyfleet.supervisor.credentials.state_files import StateFiles, StateRefused, unreadable
from xyfleet.supervisor.identity import Identity
from xyfleet.supervisor.settings import Account
from xyfleet.worker.secret import Secret

__all__ = ["Key", "StateRefused", "Store", "Superseded"]

Key = NewType("Key", Path)
"""Whose record it is: a user's, or that of an account that never had a login. Its file."""


class Superseded(Exception):
    """There is a newer login than the one that was asked under: nothing was changed."""


class Store:
    """The state of a fleet. All methods are called in the event loop's thread."""

    def __init__(self, state_dir: Path, *, retry: float = 5.0) -> None:
        self._state_dir = state_dir
        self._files = StateFiles(retry=retry)
        self._held: dict[Key, Credentials] = {}
        self.book = FleetBook(self._files, state_dir)
        """What is kept of the fleet as a whole."""

    def load(self, names: Iterable[str]) -> None:
        """Make the folders and read what belongs to these accounts; for who holds the lock. Raises `StateRefused`.

        What an older version left in another form is moved over first.
        """
        folders = (user_file(self._state_dir, "").parent, name_file(self._state_dir, "").parent)
        try:
            move_v1.move(self._state_dir)
            for folder in folders:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            document = fleet_file(self._state_dir)
            for left in (
                *(each for folder in folders for each in atomic_files.temporaries(folder)),
                *atomic_files.temporaries(self._state_dir, document.name),
            ):
                left.unlink()
        except OSError as error:
            raise unreadable(Path(error.filename or self._state_dir), error) from None
        self.book.load()
        for name in names:
            self.get(name)

    # Who is who.

    def user(self, name: str) -> str | None:
        """Return the user that an account is, None while nobody knows."""
        return self.book.now.names.get(name)

    def holder(self, unb: str) -> str | None:
        """Return the account that is this user."""
        return self.book.holder(unb)

    def knows(self, unb: str) -> bool:
        """Say whether this user ever was an account of the fleet."""
        return (
            self.book.holder(unb) is not None
            or self._files.read(user_file(self._state_dir, unb), record.decode) is not None
        )

    def assignment(self, accounts: Iterable[Account]) -> Assignment:
        """Say which accounts of a file are which users, and what can't be."""
        wanted = {each.name: None if each.cookie is None else cookies.unb(each.cookie) for each in accounts}
        return assign(wanted, self.book.now.names, self.knows)

    def key(self, name: str) -> Key:
        """Return whose record an account has now. It stays that user's when the account gets another name."""
        unb = self.user(name)
        return Key(name_file(self._state_dir, name) if unb is None else user_file(self._state_dir, unb))

    def inbox(self, name: str) -> Path:
        """Return where an account's messages are; nothing is there for one that never had a login. For any thread."""
        return inbox_file(self._state_dir, self.book.now.names.get(name, "nobody"))

    def assign(self, users: Mapping[str, str]) -> None:
        """Give users to names: an account has its first login, was renamed, or several changed their names."""
        for name, unb in users.items():
            if self.user(name) is None:
                self._join(name, unb)
        self.book.give(users)

    def _join(self, name: str, unb: str) -> None:
        """What an account did before it was known who it is goes to that user."""
        before, key = self.key(name), Key(user_file(self._state_dir, unb))
        held = self._held.pop(before, None) or self.at(before)
        self._held.pop(before, None)
        if held.attempts or held.login:
            self.put(key, record.joined(self.at(key), held))
            self._files.put(before, None)

    # Records.

    def get(self, name: str) -> Credentials:
        """Return what is kept of an account, nothing for a new one."""
        return self.at(self.key(name))

    def at(self, key: Key) -> Credentials:
        """Return a record as it is now."""
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = self._files.read(key, record.decode) or self._empty(key)
            met = record.met(held, time.time())
            if met is not held:  # Written by a version that knew nothing of messages.
                self.put(key, met)
        return held

    def up_to(self, key: Key, now: float) -> Credentials:
        """Return a record as it is now, with nothing done in it that is still to come by the wall clock."""
        held = self.at(key)
        done = record.up_to(held, now)
        if done is not held:
            self.put(key, done)
        return done

    def _empty(self, key: Key) -> Credentials:
        return Credentials(unb=key.stem if key.parent == user_file(self._state_dir, "").parent else None)

    async def read(self, users: Mapping[str, str | None]) -> dict[str, Credentials]:
        """
        Return what `get` would of accounts, and remember nothing; beside the loop. Raises `StateRefused`.

        Args:
            users: The accounts, with the users that they are to be; None: whoever they are.
        """
        return await asyncio.to_thread(lambda: {name: self._peek(name, unb) for name, unb in users.items()})

    def _peek(self, name: str, unb: str | None) -> Credentials:
        key = self.key(name)
        if unb is not None:
            self._files.read(key, record.decode)
            key = Key(user_file(self._state_dir, unb))
        return self._held.get(key) or self._files.read(key, record.decode) or self._empty(key)

    def put(self, key: Key, new: Credentials, if_serial: int | None = None) -> bool:
        """
        Let a record be another one from now on, and have it written.

        Args:
            if_serial: Only if its login is this one still.

        Returns:
            Whether it was taken.
        """
        if if_serial is not None and self.at(key).login != if_serial:
            return False
        self._held[key] = new
        self._files.put(key, new)
        return True

    async def write(self, key: Key, new: Credentials, if_serial: int) -> bool:
        """As `put`; return when it is on disk, False if the disk refuses it. Raises `Superseded`."""
        if not self.put(key, new, if_serial):
            raise Superseded
        return await self._files.saved(key)

    async def keep(self, key: Key, if_serial: int) -> bool:
        """Wait until a record is on disk, or the disk refuses it; say whether its login is this one still."""
        await self._files.saved(key)
        return self.at(key).login == if_serial

    async def saved(self, name: str) -> bool:
        """Wait until what is kept of an account is on disk; False when the disk refuses."""
        record_is, book_is = await asyncio.gather(self._files.saved(self.key(name)), self.book.saved())
        return record_is and book_is

    def put_beside(self, path: Path, data: bytes) -> None:
        """Have another file of the fleet's written, as all are: as a whole, and not by the event loop."""
        self._files.put_plain(path, data)

    def forget(self, name: str) -> None:
        """Drop a removed account from memory. Its file stays, for the account may come back."""
        self._held.pop(self.key(name), None)

    async def erase(self, name: str) -> tuple[list[str], str | None]:
        """Delete an account's file in all its versions, who it is, and an operator's stop.

        Returns the paths that are gone now, and what the system said about one that could not go.
        """
        key = self.key(name)
        before = self.at(key)
        self.book.erase(name)
        # Not read again by who asks meanwhile; and what was asked under the old login, of name or user, is nobody's.
        for each in (key, self.key(name)):
            self._held[each] = self._empty(each).but(login=before.login + 1)
        deleted, trouble = await self._files.remove(key)
        await self.book.saved()
        old, old_trouble = await asyncio.to_thread(move_v1.forget, self._state_dir, name)
        return deleted + old, trouble or old_trouble

    # Logins.

    def pin(self, name: str, wanted: Identity | None) -> None:
        """Write down the identity of a login that an older version left without."""
        held = self.get(name)
        new = record.pinned(held, wanted)
        if new is not held:
            self.put(self.key(name), new)

    def adopt(self, name: str, cookie: Secret, source: Source, identity: Identity | None = None) -> bool:
        """
        Offer the cookie that the owner's file has; return whether it is new and was taken, with this identity.

        Raises `InvalidCookie` or `OtherUser`, changing nothing.
        """
        self._be(name, cookie)
        new = record.adopted(self.get(name), cookie, source, uuid.uuid4(), identity)
        if new is not None:
            self.put(self.key(name), record.met(new, time.time()))
        return new is not None

    def replace(self, name: str, cookie: Secret, source: Source, identity: Identity | None = None) -> None:
        """
        Take a cookie of the hook or of `login`, and the identity that goes with it (None: as before).

        Raises `InvalidCookie` or `OtherUser`, changing nothing.
        """
        self._be(name, cookie)
        new = record.replaced(self.get(name), cookie, source, uuid.uuid4(), identity)
        self.put(self.key(name), record.met(new, time.time()))

    def _be(self, name: str, cookie: Secret) -> None:
        """An account without a login becomes who the cookie is."""
        unb = cookies.unb(cookies.checked(cookie))
        if unb is not None and self.user(name) is None:
            self.assign({name: unb})

    # The disk.

    def notes(self) -> list[Text]:
        """Return what a person should know: files that were torn, a disk that refuses."""
        return self._files.notes()

    async def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything is on disk; False when it is not."""
        return await self._files.flush(timeout)

    async def close(self, timeout: float = 5.0) -> bool:
        """Write what is left and end the writing thread; return whether everything is on disk."""
        return await self._files.close(timeout)
