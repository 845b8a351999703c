"""Accounts that show themselves as another browser than their file says: until the next login. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xyfleet.supervisor.common.browser_names import browser_name
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.credentials.record import Credentials, shown
from xyfleet.supervisor.identity import Identity

LONGEST: Final = 100
"""Characters of a user agent that are shown where its browser's name does not tell it from the other."""
_CHANGES: Final = N_(
    "the file says another browser for %(count)d accounts than the one that their login began with, first for %(name)s:"
    " %(next)s, not %(now)s; it counts from the next login on"
)


def next_browser(held: Credentials, wanted: Identity | None) -> str | None:
    """Return what the file wants the next login to show, None where that is what this one shows, or nothing."""
    now = shown(held, wanted)
    if held.cookie is None or wanted is None or _same(now, wanted):
        return None
    return _words(wanted, now)


def changes(accounts: Iterable[tuple[str, Credentials, Identity | None]]) -> Text | None:
    """Return what to tell of these accounts (name, what is kept, what the file says); None: nothing."""
    found = [
        (name, after, _words(shown(held, wanted), wanted))
        for name, held, wanted in accounts
        if wanted is not None and (after := next_browser(held, wanted)) is not None
    ]
    if not found:
        return None
    name, after, now = found[0]
    return Text(_CHANGES, {"count": len(found), "name": name, "next": after, "now": now})


def _same(one: Identity, other: Identity) -> bool:
    """Say whether they look the same to a person; the hints follow from the user agent."""
    return (one.user_agent, one.language) == (other.user_agent, other.language)


def _words(it: Identity, other: Identity) -> str:
    name = browser_name(it.user_agent)
    if name is None or (it.user_agent != other.user_agent and name == browser_name(other.user_agent)):
        name = it.user_agent[:LONGEST]
    return name if it.language == other.language else f"{name}, {it.language.partition(',')[0]}"
