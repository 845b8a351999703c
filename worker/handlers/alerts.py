"""How often a handler may tell a person something: events are for what matters. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

AGAIN: Final = 3600.0
"""Seconds until the same words are told again."""
MOST: Final = 20
"""Alerts within `AGAIN`."""


class Alerts:
    """One account's."""

    def __init__(self) -> None:
        self._told: deque[tuple[float, str]] = deque()

    def may(self, text: str, now: float) -> bool:
        """Tell whether this may be told at `now` (seconds, monotonic), and remember that it was."""
        while self._told and now - self._told[0][0] >= AGAIN:
            self._told.popleft()
        if len(self._told) >= MOST or any(text == other for _, other in self._told):
            return False
        self._told.append((now, text))
        return True
