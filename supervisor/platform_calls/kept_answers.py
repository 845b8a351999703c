"""Answers that are kept for a while, and not asked for again. Shell (clock)."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Any, Final

MOST: Final = 2000
"""Answers kept at one time; the oldest go first."""


class KeptAnswers:
    """Keeps each answer for `seconds`."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, Any]] = {}
        """Until when, oldest first."""

    def get(self, name: Hashable) -> Any:
        """Return a kept answer, None when there is none, or it is too old."""
        until, answer = self._kept.get(name, (0.0, None))
        return answer if until > self._clock() else None

    def put(self, name: Hashable, answer: Any) -> None:
        """Keep an answer from now on."""
        self._kept.pop(name, None)
        self._kept[name] = (self._clock() + self._seconds, answer)
        while len(self._kept) > MOST or next(iter(self._kept.values()))[0] <= self._clock():
            del self._kept[next(iter(self._kept))]
