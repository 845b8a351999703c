"""What of a worker's figures about messages is an event: dead letters, a disk that refuses, zombies, handlers. Pure."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from xyfleet.worker.ipc.figures import MailFigures
from xyfleet.worker.reasons import Reason

QUIET: Final = 3.0
"""Seconds without another account that has the same trouble, after which the event is told."""
LONGEST: Final = 60.0
"""Seconds from the first account to the event, at most; and from its end to the same event again, at least."""


class MessageEvent(NamedTuple):
    """An event of kind `message`: its `to`, and its further fields."""

    to: str
    facts: dict[str, Any]


class MessageEvents:
    """One account's, over the lives of its workers."""

    def __init__(self) -> None:
        self._dead = 0
        self._zombies = 0
        self._trouble = False
        self._newest = 0
        self._note: Reason | None = None

    def worker_started(self) -> None:
        """A new worker counts its zombies from zero."""
        self._zombies = 0

    def take(self, mail: MailFigures) -> list[MessageEvent]:
        """Return what is new in a report."""
        return [*self._failed(mail), *self._stored(mail), *self._noted(mail), *self._zombie(mail)]

    def changed(self, mail: MailFigures) -> bool:
        """Return whether the inbox has something new since the report before. 0: it is not open yet."""
        if mail.stored in (0, self._newest):
            return False
        self._newest = mail.stored
        return True

    def _failed(self, mail: MailFigures) -> list[MessageEvent]:
        if not mail.stored:  # It has not opened its inbox yet: the dead letters in there are not gone.
            return []
        new, self._dead = mail.dead - self._dead, mail.dead
        return [MessageEvent("failed", {"counts": {"new": new, "dead": mail.dead}})] if new > 0 else []

    def _stored(self, mail: MailFigures) -> list[MessageEvent]:
        if mail.trouble is not None and not self._trouble:
            self._trouble = True
            return [MessageEvent("trouble", why(mail.trouble))]
        if mail.trouble is None and mail.stored and self._trouble:
            self._trouble = False
            return [MessageEvent("stored_again", {})]
        return []

    def _noted(self, mail: MailFigures) -> list[MessageEvent]:
        """Tell once of an inbox that was lost, or whose log grew large: only sizes change in what is said of that."""
        before, self._note = self._note, mail.inbox_note
        if mail.inbox_note is None or (before is not None and _shape(before) == _shape(mail.inbox_note)):
            return []
        return [MessageEvent("inbox", why(mail.inbox_note))]

    def _zombie(self, mail: MailFigures) -> list[MessageEvent]:
        new, self._zombies = mail.zombies - self._zombies, mail.zombies
        return [MessageEvent("zombie", {})] if new > 0 else []


class _Group:
    """The accounts that have, or had a moment ago, one trouble."""

    def __init__(self, reason: Reason, now: float) -> None:
        self.reason = reason
        self.first = now
        self.latest = now
        self.accounts: set[str] = set()
        """Those that have it now."""
        self.hit: set[str] = set()
        """Those that had it before it was told."""
        self.told = False


class HandlerTroubles:
    """Makes one event of a trouble that many accounts' handlers have: a module that can't be imported hits them all.

    It is told when no further account has joined for a while. Accounts that join while it lasts are not told again.
    """

    def __init__(self, quiet: float = QUIET, longest: float = LONGEST) -> None:
        self._quiet = quiet
        self._longest = longest
        self._groups: dict[str, _Group] = {}
        self._of: dict[str, str] = {}

    def take(self, account: str, trouble: Reason | None, now: float) -> None:
        """An account's handler has this trouble now, or none."""
        shape = None if trouble is None else _shape(trouble)
        if shape == self._of.get(account):
            return
        self._leave(account, now)
        self._forget(now)
        if trouble is not None and shape is not None:
            self._of[account] = shape
            group = self._groups.setdefault(shape, _Group(trouble, now))
            group.accounts.add(account)
            if account not in group.hit:
                group.hit.add(account)
                group.latest = now

    def due(self, now: float) -> list[tuple[Reason, list[str]]]:
        """Return the troubles to be told now, each with the accounts that are hit."""
        told = []
        for group in self._groups.values():
            if not group.told and now >= self._when(group):
                group.told, group.latest = True, now
                told.append((group.reason, sorted(group.hit)))
        return told

    def next_due(self) -> float | None:
        """Return when `due` has something to tell; None = nothing waits."""
        times = [self._when(group) for group in self._groups.values() if not group.told]
        return min(times, default=None)

    def _when(self, group: _Group) -> float:
        return min(group.latest + self._quiet, group.first + self._longest)

    def _leave(self, account: str, now: float) -> None:
        shape = self._of.pop(account, None)
        if shape is not None:
            group = self._groups[shape]
            group.accounts.discard(account)
            if group.told:
                group.latest = now

    def _forget(self, now: float) -> None:
        """Let troubles be told again that are over for long enough."""
        over = [
            shape
            for shape, group in self._groups.items()
            if group.told and not group.accounts and now - group.latest >= self._longest
        ]
        for shape in over:
            del self._groups[shape]


def why(reason: Reason) -> dict[str, Any]:
    """Return the fields of an event that say why: in raw words, and as code and fields."""
    return {"reason": str(reason), "because": reason}


def _shape(trouble: Reason) -> str:
    """Return a trouble without its numbers: seconds that it lasts make no other one of it."""
    return re.sub(r"\d+", "0", str(trouble))
