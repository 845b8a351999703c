"""What the platform says that this version does not know: counters per account, one shape for the fleet. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from xyfleet.worker.protocol.shape import shape_of_bytes
from xyfleet.worker.telemetry.drift import Drift

MOST_SHAPES: Final = 64
"""Shapes that are kept; what drifts, drifts for all accounts alike."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Something unknown, fit for a bug report."""

    place: str
    """`lwp`, `frame`, `objectType`, `contentType`, `key`, `payload`; of token calls `ret` or `answer` (a key)."""
    name: str
    count: int = 0
    """How often the account has met it since its worker started (token calls: since the supervisor did)."""
    shape: msgspec.Raw
    """JSON: keys and kinds, no texts, ids or secrets."""


class FleetDrift:
    """Remembers both."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[str, str], str] = {}
        self._answers: dict[str, Drift] = {}

    def heard(self, place: str, name: str, shape: str) -> None:
        """A worker has met something for the first time."""
        if len(self._shapes) < MOST_SHAPES:
            self._shapes.setdefault((place, name), shape)

    def answered(self, account: str, place: str, word: str, body: bytes) -> None:
        """A token call was answered with a word or a key that is not known."""
        drift = self._answers.setdefault(account, Drift(self.heard))
        drift.met(place, word, lambda: shape_of_bytes(body))

    def counts(self, account: str, of_worker: dict[str, int]) -> dict[str, int]:
        """Return an account's counters."""
        answers = self._answers.get(account)
        return of_worker if answers is None else of_worker | answers.counts

    def report(self, counts: dict[str, int]) -> list[Shape]:
        """Return what these counters count, with their shapes where they are kept."""
        return [
            Shape(
                place=place, name=name, count=count, shape=msgspec.Raw(self._shapes.get((place, name), "null").encode())
            )
            for (place, _, name), count in ((key.partition(" "), count) for key, count in sorted(counts.items()))
        ]

    def forget(self, account: str) -> None:
        """The account is gone."""
        self._answers.pop(account, None)
