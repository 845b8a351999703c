"""Waits that can be ended before their time. Shell.

Whoever wakes up looks for himself whether there is something to do (docs/heartbeat.md, rule 11).
"""

from __future__ import annotations

import asyncio
import contextlib


class Stopped(Exception):
    """The worker is to leave; ends every wait."""


class InterruptibleWait:
    """What an account's cycle waits on: an alarm that can be rung, and turned into the final one."""

    def __init__(self) -> None:
        self._stopping = False
        self._bell = asyncio.Event()

    @property
    def stopping(self) -> bool:
        """Whether it is time to leave."""
        return self._stopping

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


class InterruptibleSleep:
    """A sleep of one task, which others can end; it costs no more than `asyncio.sleep()`."""

    def __init__(self) -> None:
        self._sleep: asyncio.Future[None] | None = None

    async def take(self, seconds: float) -> None:
        """Sleep for so long, or until woken."""
        loop = asyncio.get_running_loop()
        self._sleep = loop.create_future()
        timer = loop.call_later(seconds, self.wake)
        try:
            await self._sleep
        finally:
            timer.cancel()

    def wake(self) -> None:
        """End the sleep that is on; without one nothing happens."""
        if self._sleep is not None and not self._sleep.done():
            self._sleep.set_result(None)
