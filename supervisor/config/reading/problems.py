"""What is wrong with a settings file, where, and what would be right. Pure.

Every problem of a file is gathered before any is shown. Texts never hold a value from the file: it may be a secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from xyfleet.supervisor.common.i18n import _

MAX_PROBLEMS: Final = 2000
"""Most problems listed; of a file with more than that the first ones tell enough."""


class At(NamedTuple):
    """A place in a settings file."""

    file: str
    """The path as the user gave it."""
    line: int | None = None
    """Counted from 1; None = the whole file."""
    account: str | None = None
    key: str | None = None
    """Dotted path; inside an account without the account."""

    def child(self, key: str, line: int) -> At:
        """Return the place of a setting inside this one."""
        return At(self.file, line, self.account, f"{self.key}.{key}" if self.key else key)


class Item(NamedTuple):
    """A value and where it was written."""

    value: Any
    at: At


Section = dict[str, Item]
"""A mapping of the file, checked; the value of an item is a scalar, a list of items, or another section."""


class Bad:
    """The value of a setting whose problem is already noted; there is one, `BAD`."""

    def __repr__(self) -> str:
        return "BAD"

    def __bool__(self) -> bool:
        return False


BAD: Final = Bad()


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, in words."""

    file: str
    line: int | None = None
    account: str | None = None
    key: str | None = None
    message: str
    """What is wrong."""
    remedy: str = ""
    """What would be right."""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        words = {"message": self.message, "remedy": self.remedy}
        text = _("%(message)s; %(remedy)s") % words if self.remedy else self.message
        return ": ".join(part for part in (place, self.account, self.key, text) if part)


def problem(at: At, message: str, remedy: str = "") -> Problem:
    """Return a problem at a place."""
    return Problem(file=at.file, line=at.line, account=at.account, key=at.key, message=message, remedy=remedy)


class BadFile(Exception):
    """A settings file that can't be used; `problems` says why, all of it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(one) for one in self.problems)


class Problems:
    """Gathers problems and warnings, each once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._warnings: dict[Problem, None] = {}
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def full(self) -> bool:
        """Whether further problems are only counted."""
        return len(self._found) >= MAX_PROBLEMS

    def add(self, at: At, message: str, remedy: str = "") -> Bad:
        """Note a problem, and return `BAD` to stand for the value."""
        self.extend([problem(at, message, remedy)])
        return BAD

    def warn(self, at: At, message: str, remedy: str = "") -> None:
        """Note what is allowed, and probably not meant."""
        self._warnings[problem(at, message, remedy)] = None

    def extend(self, problems: Iterable[Problem]) -> None:
        """Note several problems."""
        for one in problems:
            if self.full:
                self._more += one not in self._found
            else:
                self._found[one] = None

    def warnings(self) -> list[Problem]:
        """Return the warnings by place."""
        return _by_place(self._warnings)

    def all(self) -> list[Problem]:
        """Return the problems by place."""
        ordered = _by_place(self._found)
        if self._more:
            message = _("%(count)s more problems are not listed") % {"count": self._more}
            ordered.append(Problem(file=ordered[-1].file, message=message))
        return ordered


def _by_place(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems by file and line, files in the order of their first problem."""
    ordered = list(problems)
    files: dict[str, int] = {}
    for one in ordered:
        files.setdefault(one.file, len(files))
    return sorted(ordered, key=lambda one: (files[one.file], one.line or 0))
