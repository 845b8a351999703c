"""Which accounts the words of a command line mean: names, globs and @tags. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from xyfleet.supervisor.common.errors import UnknownName

_HELPED: Final = 3
"""So many unknown words are compared with all names: that is slow, and the event loop waits for it."""
_MAGIC: Final = frozenset("*?[")


def select(words: Sequence[str], accounts: Mapping[str, Iterable[str]]) -> list[str]:
    """
    Return the accounts (name → tags) that any word means, in the accounts' order; no words = all.

    A word is a name, a glob (`shop-0*`) or a tag with `@` in front (`@phones`, `@south-*`).

    Raises:
        UnknownName: a word means no account; nothing is to be done to the others then.
    """
    if not words:
        return list(accounts)
    chosen: set[str] = set()
    strangers = []
    for word in words:
        found = _matches(word, accounts)
        chosen.update(found)
        if not found:
            strangers.append(word)
    if strangers:
        raise UnknownName(strangers, _similar(strangers, accounts))
    return [name for name in accounts if name in chosen]


def _matches(word: str, accounts: Mapping[str, Iterable[str]]) -> list[str]:
    if word.startswith("@"):
        return [name for name, tags in accounts.items() if any(fnmatchcase(tag, word[1:]) for tag in tags)]
    if word in accounts:
        return [word]
    return [name for name in accounts if fnmatchcase(name, word)] if set(word) & _MAGIC else []


def _similar(words: Sequence[str], accounts: Mapping[str, Iterable[str]]) -> list[str]:
    known = [*accounts, *sorted({f"@{tag}" for tags in accounts.values() for tag in tags})]
    return [near for word in words[:_HELPED] for near in difflib.get_close_matches(word, known, n=1)]
