"""Which accounts go out by which way. Pure."""

from __future__ import annotations

from typing import Final

from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.outage_values import PLATFORM, Scope
from xyfleet.worker.secret import Secret

_NOWHERE: Final = Secret("")


class Ways:
    """Every call costs O(1), but for `accounts` of the platform."""

    def __init__(self) -> None:
        self._by_way: dict[Secret | None, dict[str, SupervisedAccount]] = {}
        self._way_of: dict[str, Secret | None] = {}

    def goes(self, member: SupervisedAccount) -> None:
        """Note which way an account goes now."""
        way, name = member.account.proxy, member.name
        if self._way_of.get(name, _NOWHERE) != way:
            self.leaves(name)
            self._way_of[name] = way
            self._by_way.setdefault(way, {})[name] = member

    def leaves(self, name: str) -> None:
        """There is no such account any more."""
        if name in self._way_of:
            way = self._way_of.pop(name)
            del self._by_way[way][name]
            if not self._by_way[way]:
                del self._by_way[way]

    def of(self, scope: Scope) -> list[Secret | None]:
        """Return the ways of a scope."""
        if scope is not PLATFORM:
            assert scope is None or isinstance(scope, Secret)
            return [scope]
        return list(self._by_way) or [None]

    def accounts(self, scope: Scope) -> list[SupervisedAccount]:
        """Return the accounts that obey an outage of this scope."""
        if scope is PLATFORM:
            return [member for members in self._by_way.values() for member in members.values()]
        assert scope is None or isinstance(scope, Secret)
        return list(self._by_way.get(scope, {}).values())
