"""Counts what the platform sends that this version does not know, and tells the shape of each once. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from xyfleet.worker.protocol.shape import name_of

MOST: Final = 24
"""Different things that are told apart; all others are counted together."""
REST: Final = "more"


class Drift:
    """
    One account's counters.

    Args:
        first: Called with place, name and shape of each thing when it is met for the first time.
    """

    def __init__(self, first: Callable[[str, str, str], None]) -> None:
        self.counts: dict[str, int] = {}
        """By place and name, `objectType 40999`."""
        self._first = first

    def met(self, place: str, word: object, shape: Callable[[], str]) -> None:
        """Count something."""
        name = name_of(word)
        key = f"{place} {name}"
        if key not in self.counts:
            if len(self.counts) >= MOST:
                self.counts[REST] = self.counts.get(REST, 0) + 1
                return
            self.counts[key] = 0
            self._first(place, name, shape())
        self.counts[key] += 1
