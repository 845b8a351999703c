"""Long work on many accounts in short stretches, between which whoever else lives in the loop has a turn. Shell."""

from __future__ import annotations

import asyncio
import time
from typing import Final

STRETCH: Final = 0.005
"""Seconds of work after which others have a turn: with 1,500 accounts the loop must not stand for half a second."""


class Stretches:
    """Made where the work begins; `pause()` is called after each piece of it."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    async def pause(self) -> None:
        """Let others have a turn if this stretch was long enough."""
        if time.monotonic() - self._began >= STRETCH:
            await asyncio.sleep(0)
            self._began = time.monotonic()
