"""Waits that can be ended before their time. Shell.

Whoever wakes up looks for himself whether there is something to do (docs/heartbeat.md, rule 11).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Stopped(Exception):
    """The worker is to leave; ends every wait."""


class InterruptibleWait:
    """
    What one task waits on: until rung, until something is true, or so long; and, once stopped, not at all any more.

    It costs no more than `asyncio.sleep()`.

    Args:
        over: What waits end with after `stop()`.
    """

    def __init__(self, over: type[Exception] = Stopped) -> None:
        self._over = over
        self._stopping = False
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def stopping(self) -> bool:
        """Whether it is time to leave."""
        return self._stopping

    def ring(self) -> None:
        """End the wait that is on, or the next one."""
        self._rung = True
        self._wake()

    def stop(self) -> None:
        """End this and every later wait with the exception."""
        self._stopping = True
        self.ring()

    async def wait(self, seconds: float | None) -> None:
        """
        Wait until rung, for so long at most; None = for ever. Only one task may wait at a time.

        Raises:
            Stopped: it is time to leave.
        """
        self.check()
        if not self._rung:
            await self._sleep(seconds)
        self._rung = False
        self.check()

    async def until(self, true: Callable[[], object], seconds: float | None = None) -> None:
        """
        Wait until something is true, which is looked at after each ring, for so long at most; None = for ever.

        Raises:
            Stopped: it is time to leave.
        """
        clock = asyncio.get_running_loop().time  # the one that `wait` goes by: a rehearsed life's runs fast
        end = None if seconds is None else clock() + seconds
        self.check()
        while not true():
            left = None if end is None else end - clock()
            if left is not None and left <= 0:
                return
            await self.wait(left)

    def check(self) -> None:
        """Raise `Stopped` when it is time to leave."""
        if self._stopping:
            raise self._over

    async def _sleep(self, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, self._wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
