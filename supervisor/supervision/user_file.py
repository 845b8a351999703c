"""Keeps the file of the fleet's user ids up to date, from which workers learn who else is of the fleet. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from xyfleet.worker.fleet_users import packed


class UserFile:
    """
    The user of each account, as far as it is known.

    Args:
        write: Has the file replaced by one with this content, as a whole, off the event loop.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._users: dict[str, str] = {}
        self._due: asyncio.Handle | None = None

    def put(self, name: str, user: str | None) -> None:
        """Learn an account's user id."""
        if user is not None and self._users.get(name) != user:
            self._users[name] = user
            self._write_soon()

    def drop(self, name: str) -> None:
        """Forget an account."""
        if self._users.pop(name, None) is not None:
            self._write_soon()

    def _write_soon(self) -> None:
        """Write once for all that is learnt at one time, such as at the start."""
        if self._due is None:
            self._due = asyncio.get_running_loop().call_soon(self._put_down)

    def _put_down(self) -> None:
        self._due = None
        self._write(packed(self._users.values()))
