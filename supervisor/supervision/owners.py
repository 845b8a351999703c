"""Which account has which user now: never two at once, whatever names they have. Pure.

An account has its user from its place in the start queue until its worker is proven gone, and while its login hook
waits for a place or runs. Another account that is to be the same user, after a rename, waits for that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

A = TypeVar("A")


class Owners(Generic[A]):
    """The table of users and the accounts that have them."""

    def __init__(self) -> None:
        self._has: dict[str, A] = {}
        self._users: dict[A, str] = {}
        self._waiting: dict[str, deque[tuple[A, Callable[[], None]]]] = {}

    def take(self, user: str, account: A, then: Callable[[], None]) -> None:
        """Give a user to an account, and call `then`: now, or as soon as whoever has him has left him."""
        self._unwait(account)
        if self.try_take(user, account):
            then()
        else:
            self._waiting.setdefault(user, deque()).append((account, then))

    def try_take(self, user: str, account: A) -> bool:
        """Give a user to an account if nobody else has him; return whether it has him now."""
        if self._users.get(account) != user:
            self._leave(account)
        holder = self._has.setdefault(user, account)
        if holder is not account:
            return False
        self._users[account] = user
        return True

    def leave(self, account: A) -> None:
        """The account needs its user no more, nor waits for one; who waits for that one has him now."""
        self._unwait(account)
        self._leave(account)

    def waiting(self) -> list[tuple[A, A]]:
        """Return who waits, and for whom."""
        return [(each, self._has[user]) for user, waiting in self._waiting.items() for each, _ in waiting]

    def _leave(self, account: A) -> None:
        user = self._users.pop(account, None)
        if user is None:
            return
        del self._has[user]
        waiting = self._waiting.get(user)
        if waiting:
            following, then = waiting.popleft()
            if not waiting:
                del self._waiting[user]
            self.try_take(user, following)
            then()

    def _unwait(self, account: A) -> None:
        for user, waiting in list(self._waiting.items()):
            left = deque(each for each in waiting if each[0] is not account)
            if left:
                self._waiting[user] = left
            else:
                del self._waiting[user]
