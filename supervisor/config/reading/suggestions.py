"""Finds what was meant by a key or word that nobody knows. Pure."""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from xyfleet.supervisor.common.i18n import _

_CLOSE: Final = 0.72
"""Least likeness (0 to 1, difflib) of a suggestion: `intervall` is like `interval`, `timeout` not like `timezone`."""
_LONGEST: Final = 60
"""Characters of a word that are compared."""
_MANY: Final = 16
"""More keys than these are not listed."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like `word`; case, dashes and full-width letters don't count."""
    return _nearest(word[:_LONGEST], tuple(known))


@functools.lru_cache(maxsize=1024)
def _nearest(word: str, known: tuple[str, ...]) -> str | None:
    plain = {_plain(one): one for one in known}
    close = difflib.get_close_matches(_plain(word), plain, n=1, cutoff=_CLOSE)
    return plain[close[0]] if close else None


def remedy(key: str, here: Iterable[str], places: Mapping[str, list[str]]) -> str:
    """
    Return what to do about an unknown key.

    Args:
        here: the keys known at its place.
        places: all keys of the file form with the sections where they may stand.
    """
    here = list(here)
    if key in places:
        return _("its place is: %(place)s") % {"place": _place(places[key])}
    near = nearest(key, here)
    if near:
        return _("did you mean %(word)s?") % {"word": near}
    near = nearest(key, places)
    if near:
        words = {"word": near, "place": _place(places[near])}
        return _("did you mean %(word)s? Its place is: %(place)s") % words
    if len(here) > _MANY:
        return _("docs/accounts.md has the keys that are known here")
    return _("known here: %(words)s") % {"words": ", ".join(here)}


def _place(paths: list[str]) -> str:
    """Return where a key may stand, for people; an account before the defaults."""
    names = {"": _("the top of the file"), "accounts[]": _("an account"), "defaults": _("defaults (for all accounts)")}
    return _(" or ").join(names.get(path, path.replace("accounts[].", "")) for path in sorted(set(paths)))


def _plain(word: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", word).lower())
