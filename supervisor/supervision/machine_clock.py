"""Whether this machine's clock is wrong, as the workers hear it from the server. Pure."""

from __future__ import annotations

from typing import Final

QUIET: Final = 60.0
"""Seconds from one change to the next, at least: accounts may differ where the clock is just about right."""


class MachineClock:
    """What all accounts say about the one clock that they share."""

    def __init__(self) -> None:
        self.ahead = 0.0
        """Seconds that it is ahead of the server's, less than zero: behind; 0 = it is right, or nobody knows yet."""
        self._changed = float("-inf")

    def take(self, ahead: float | None, now: float) -> bool:
        """Take what a worker reports (`Report.clock`); return whether the clock went wrong, or right again."""
        if ahead is None:
            return False
        changed = bool(ahead) != bool(self.ahead)
        if changed and now - self._changed < QUIET:
            return False
        self.ahead = ahead
        if changed:
            self._changed = now
        return changed

    def size(self) -> dict[str, int]:
        """Return the whole seconds, named `ahead` or `behind`; nothing where it is right."""
        return {"ahead" if self.ahead > 0 else "behind": round(abs(self.ahead))} if self.ahead else {}
