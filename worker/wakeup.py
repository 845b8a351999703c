"""The one thing that an account's cycle waits on. Shell.

Every wait of the cycle ends at once when something happens that concerns it; which wait it was, and whether it is
over, is for the waiter to look (docs/heartbeat.md, rule 11).
"""

from __future__ import annotations

import asyncio
import contextlib


class Stopped(Exception):
    """The worker is to leave; ends every wait."""


class Wakeup:
    """An alarm that can be slept on, rung, and turned into the final one."""

    def __init__(self) -> None:
        self._stopping = False
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """End the wait that is on, or the next one."""
        self._bell.set()

    def stop(self) -> None:
        """End this and every later wait with `Stopped`."""
        self._stopping = True
        self._bell.set()

    async def wait(self, timeout: float | None) -> None:
        """
        Sleep until rung, or for `timeout` seconds.

        Raises:
            Stopped: it is time to leave.
        """
        self.check()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._bell.wait()
        self._bell.clear()
        self.check()

    def check(self) -> None:
        """Raise `Stopped` when it is time to leave."""
        if self._stopping:
            raise Stopped
