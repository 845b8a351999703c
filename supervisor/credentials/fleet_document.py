"""What is kept of a fleet as a whole: which account is which user, and what an operator stopped. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from xyfleet.supervisor.credentials.record import READABLE_BY, SCHEMA


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's stop."""

    by: str
    at: float
    """Wall time."""


class KeptOutage(msgspec.Struct, frozen=True, kw_only=True):
    """An outage that goes on. Times are wall times; of scope, group and cause a later version may know more words."""

    scope: str
    """`outage_values.scope_key`: nothing that tells a proxy's address."""
    group: str
    cause: str
    since: float
    accounts: int
    """How many were down when it began."""
    next_try: float
    """When the next probe or canary is due."""
    canary_wait: float
    """Seconds between the next canary and the one after it, should it fail."""
    ahead: bool = False
    """Whether a canary was out."""
    logged_in: bool = False
    """Whether its login hook had run."""
    down: list[str] = []
    """Names of the accounts that were down for it."""


class FleetDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the state folder."""

    schema: int = SCHEMA
    readable_by: int = READABLE_BY
    names: dict[str, str] = {}
    """The user (`unb`) of each account that ever had a login. No user has two names."""
    stopped: dict[str, Stopped] = {}
    """The accounts that are to stay stopped."""
    outages: list[KeptOutage] = []
    """Those that go on: a new supervisor does not begin in them with everybody's dial or login."""
    went_ahead: list[str] = []
    """Who was a canary, the last one last."""

    def but(self, **changes: Any) -> FleetDocument:
        """Return a document like this one but for these fields."""
        return msgspec.structs.replace(self, **changes)

    def with_stops(self, stops: Mapping[str, Stopped]) -> FleetDocument:
        """Return it with these accounts stopped."""
        return self.but(stopped={**self.stopped, **stops})

    def without_stops(self, names: Iterable[str]) -> FleetDocument:
        """Return it with these accounts running; itself if none was stopped."""
        gone = self.stopped.keys() & set(names)
        return self.but(stopped={n: s for n, s in self.stopped.items() if n not in gone}) if gone else self

    def with_users(self, users: Mapping[str, str]) -> FleetDocument:
        """
        Return it with users given to names.

        Whom an account was before has no name then, unless another name is given to him too; an operator's stop goes
        along with the user whose account was stopped.
        """
        before = {unb: name for name, unb in self.names.items()}
        given = set(users.values())
        names = {name: unb for name, unb in self.names.items() if unb not in given and name not in users} | dict(users)
        left = {before[unb] for unb in given if unb in before} | (users.keys() & self.names.keys())
        stopped = {name: stop for name, stop in self.stopped.items() if name not in left}
        for name, unb in users.items():
            stop = self.stopped.get(before.get(unb, name))
            if stop is not None:
                stopped[name] = stop
        return self.but(names=names, stopped=stopped)

    def without(self, name: str) -> FleetDocument:
        """Return it without anything about an account."""
        names = {each: unb for each, unb in self.names.items() if each != name}
        return self.but(names=names).without_stops([name])
