"""Conversations that catching up can't read: tried again for some rounds, then left until they change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from xyfleet.worker.messaging.catchup_plan import Round
from xyfleet.worker.storage.operations import Marks

_SKIP: Final = "skip:"
"""Prefix of the marks of conversations that were given up as they stand."""


class Failures:
    """
    What could not be read, over rounds and, where it was given up, over processes.

    Args:
        most: Rounds in a row that may fail, before what is left is no reason any more to begin there again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._failed: dict[str, tuple[int | None, int]] = {}
        """Conversations: as they stood when they could not be read, and in how many rounds in a row."""
        self._circles = 0
        """Rounds in a row whose list led in a circle."""

    def load(self, marks: Mapping[str, int]) -> None:
        """Take over what an earlier process gave up."""
        for name, at in marks.items():
            if name.startswith(_SKIP):
                self._failed[name.removeprefix(_SKIP)] = (at, self._most)

    @property
    def given_up(self) -> dict[str, int]:
        """What is not to be read again as it stands: conversations with their times of change (ms)."""
        return {name: at for name, (at, tried) in self._failed.items() if at is not None and tried >= self._most}

    def ended(self, round_: Round) -> tuple[Marks, list[str]]:
        """
        Look at what a round could not read; what is given up is none of its `unread` any more.

        Returns:
            What is to be kept for the next process, and which conversations were given up just now.
        """
        self._circles = self._circles + 1 if round_.circular else 0
        put: dict[str, int] = {}
        drop = [_SKIP + name for name in self._failed.keys() & round_.talks.keys() if self._is_over(name, round_)]
        news: list[str] = []
        for name in sorted(round_.unread):
            modified = round_.talks[name].modified
            before, tried = self._failed.get(name, (modified, 0))
            tried = tried + 1 if before == modified else 1
            self._failed[name] = (modified, tried)
            if tried >= self._most:
                round_.unread.discard(name)
                put |= {} if modified is None else {_SKIP + name: modified}
                news += [name] if tried == self._most else []
        return Marks(put, drop), news

    def hides(self, round_: Round) -> bool:
        """Tell whether something may be left that this round did not see, and a later one may."""
        return bool(round_.unread) or 0 < self._circles < self._most

    def _is_over(self, name: str, round_: Round) -> bool:
        at, tried = self._failed[name]
        over = name not in round_.unread and (tried < self._most or at != round_.talks[name].modified)
        if over:
            del self._failed[name]
        return over
