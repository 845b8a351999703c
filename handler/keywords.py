"""`handler: keywords`: answers texts by replies.yml. A program on the public API."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from xyfleet.handler import Account, Message, Reply
from xyfleet.worker.ready_rules import Hours, ReadyRules, Rule

_MOST_REMEMBERED: Final = 20_000
"""Lines of the memory with which a start still begins; of more the later half is kept."""
_NIGHT_ENDS: Final = 12 * 60
"""Minutes since midnight: what is said before noon belongs to the night before."""


class Keywords:
    """The answers of one account."""

    def __init__(self, ready: ReadyRules) -> None:
        self._rules: Sequence[tuple[Rule, tuple[str, ...]]] = [
            (rule, tuple(map(folded, rule.words))) for rule in ready.rules
        ]
        self._zone: tzinfo | None = None if ready.timezone is None else ZoneInfo(ready.timezone)
        self._once = Once(ready.memory)

    async def __call__(self, message: Message, account: Account) -> Reply | None:
        """Answer by the first rule that fits."""
        if message.kind != "text":
            return None
        now, text = datetime.now(self._zone), folded(message.text)
        for rule, words in self._rules:
            if _fits(rule, words, text, message, now) and self._may(rule, message, now):
                return Reply(rule.reply, rule.image)
        return None

    def _may(self, rule: Rule, message: Message, now: datetime) -> bool:
        """Tell whether a rule may answer in this conversation; one that does so only once is remembered."""
        if not rule.once:
            return True
        name = f"{rule.name} {_night(now)}" if rule.nightly else rule.name
        return self._once.may(message.conversation or "", name, message.id)


def folded(text: str) -> str:
    """Return a text without blanks, case and width: `ＶＸ 1` is `vx1`."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _fits(rule: Rule, words: tuple[str, ...], text: str, message: Message, now: datetime) -> bool:
    if rule.items and message.item not in rule.items:
        return False
    if rule.hours is not None and not _within(rule.hours, now.hour * 60 + now.minute):
        return False
    return not words or any(word in text for word in words)


def _within(hours: Hours, minute: int) -> bool:
    if hours.begin <= hours.end:
        return hours.begin <= minute < hours.end
    return minute >= hours.begin or minute < hours.end


def _night(now: datetime) -> str:
    """Return which night it is, by the day on which it began."""
    day = now.date().toordinal() - (now.hour * 60 + now.minute < _NIGHT_ENDS)
    return datetime.fromordinal(day).date().isoformat()


class Once:
    """
    Which conversation had which answer, and to which message: that one is answered again after a crash.

    A file of lines that only grows, of one account's worker alone; without a path nothing outlives the process.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._had: dict[tuple[str, str], str] | None = None

    def may(self, conversation: str, name: str, message: str) -> bool:
        """Tell whether an answer may be given to this message, and remember that it was."""
        had = self._read() if self._had is None else self._had
        key = (conversation, " ".join(name.split()))
        if key not in had:
            had[key] = message
            self._write("a", [(key, message)])
        return had[key] == message

    def _read(self) -> dict[tuple[str, str], str]:
        self._had = {}
        if self._path and os.path.exists(self._path):
            with open(self._path, encoding="utf-8", errors="replace") as file:
                lines = [line.rstrip("\n").split("\t") for line in file if line.endswith("\n")]
            self._had = {(fields[0], fields[1]): fields[2] for fields in lines if len(fields) == 3}
            if len(lines) > _MOST_REMEMBERED:
                self._had = dict(list(self._had.items())[-_MOST_REMEMBERED // 2 :])
                self._write("w", list(self._had.items()))
        return self._had

    def _write(self, mode: str, lines: list[tuple[tuple[str, str], str]]) -> None:
        if not self._path:
            return
        fd = os.open(
            self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_APPEND if mode == "a" else os.O_TRUNC), 0o600
        )
        with open(fd, mode, encoding="utf-8") as file:
            file.write("".join(f"{conversation}\t{name}\t{message}\n" for (conversation, name), message in lines))
            file.flush()
            os.fsync(fd)


def make(ready: ReadyRules) -> Keywords:
    """Return the handler of one account."""
    return Keywords(ready)
