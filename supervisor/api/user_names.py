"""The names of this machine's users, without waiting for a directory server (LDAP) that does not answer. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import pwd
import threading
from collections.abc import Callable
from typing import Final

PATIENCE: Final = 1.0
"""Seconds; after that a user is called by his number, until the name has come."""


def _name(uid: int) -> str:
    """Ask the system; it may wait for a server."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OSError):
        return number(uid)


def number(uid: int) -> str:
    """Return what a user without a name is called."""
    return f"uid {uid}"


class UserNames:
    """Remembers names; of one user at most one question is open, in a thread that keeps nobody from ending."""

    def __init__(self, ask: Callable[[int], str] = _name, patience: float = PATIENCE) -> None:
        self._ask = ask
        self._patience = patience
        self._asked: dict[int, asyncio.Future[str]] = {}

    async def of(self, uid: int) -> str:
        """Return a user's name, or his number."""
        if uid not in self._asked:
            self._asked[uid] = self._look_up(uid)
        answer = self._asked[uid]
        await asyncio.wait([answer], timeout=self._patience)
        return answer.result() if answer.done() else number(uid)

    def _look_up(self, uid: int) -> asyncio.Future[str]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()

        def ask() -> None:
            name = self._ask(uid)
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(answer.set_result, name)

        threading.Thread(target=ask, name=f"name of user {uid}", daemon=True).start()
        return answer
