"""When the next attempt may begin: a delay is over, or nobody wants to wait for it, and the gap is kept. Shell."""

from __future__ import annotations

import time

from xyfleet.worker.connection.wait import InterruptibleWait


class DialPause:
    """
    One account's.

    Args:
        wakeup: What is waited on.
        gap: Seconds between two dials, whatever happens.
    """

    def __init__(self, wakeup: InterruptibleWait, gap: float) -> None:
        self.delay = 0.0
        """Seconds from the end of one attempt to the next one."""
        self._wakeup = wakeup
        self._gap = gap
        self._last_dial = float("-inf")
        self._hurry = False

    def hurry(self) -> None:
        """The delay is over, for this attempt."""
        self._hurry = True
        self._wakeup.ring()

    async def wait(self) -> None:
        """Wait for the delay and the gap. Raises `Stopped`."""
        end = time.monotonic() + self.delay
        while not self._hurry and (left := end - time.monotonic()) > 0:
            await self._wakeup.wait(left)
        await self.keep_gap()

    async def keep_gap(self) -> None:
        """Wait until the last dial is long enough ago. Raises `Stopped`."""
        while (left := self._last_dial + self._gap - time.monotonic()) > 0:
            await self._wakeup.wait(left)

    def begun(self) -> None:
        """An attempt begins: who wanted it soon has it."""
        self._hurry = False

    def dialled(self) -> None:
        """The gap begins."""
        self._last_dial = time.monotonic()
