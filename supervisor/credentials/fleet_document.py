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


class CanaryTurn(msgspec.Struct, frozen=True, kw_only=True):
    """When the next account may try for all whose logins are refused."""

    at: float
    """Wall time."""
    wait: float
    """Seconds until the one after it, should it fail."""


class FleetDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the state folder."""

    schema: int = SCHEMA
    readable_by: int = READABLE_BY
    names: dict[str, str] = {}
    """The user (`unb`) of each account that ever had a login. No user has two names."""
    stopped: dict[str, Stopped] = {}
    """The accounts that are to stay stopped."""
    canaries: dict[str, CanaryTurn] = {}
    """Of outages of logins, by `outage_values.scope_key`: a new supervisor does not begin them with a login at once."""

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
