"""Waits until no other fleet of this machine has the account's user: two would kick each other out. Shell."""

from __future__ import annotations

from collections.abc import Callable

from xyfleet.worker.connection.wait import InterruptibleWait
from xyfleet.worker.user_lock import UserLock


class UserTurn:
    """
    One account's.

    Args:
        every: Seconds between two looks.
        elsewhere: Called with True when another fleet has the user, with False when that is over.
    """

    def __init__(
        self, lock: UserLock, wakeup: InterruptibleWait, every: float, elsewhere: Callable[[bool], None]
    ) -> None:
        self._lock = lock
        self._wakeup = wakeup
        self._every = every
        self._elsewhere = elsewhere

    async def take(self) -> None:
        """Have the user. Raises `Stopped`."""
        tries = 0
        while not self._lock.take():
            tries += 1
            if tries == 2:  # at the first one it may be our own supervisor that still logs him in
                self._elsewhere(True)
            await self._wakeup.wait(self._every)
        if tries > 1:
            self._elsewhere(False)

    def release(self) -> None:
        """Leave the user to others."""
        self._lock.release()
