"""Faults: how one is read, when it is in force, and which one strikes now. Pure.

Times are seconds of the monotonic clock. A fault needs no timer to be in force: whoever is about to answer asks.
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.simulator.fault_kinds import KINDS, Check, Kind, Point, one_of, positive, seconds, whole

_COMMON: Final = ("kind", "unb", "at", "every", "for", "count", "connections", "after")


class BadFault(Exception):
    """An entry that says nothing the gateway could do. `problems` are texts for people."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault, as it stands in the script or came over HTTP."""

    kind: Kind
    unb: tuple[str, ...]
    """User ids it strikes; `*` and `?` as in file names."""
    begin: float
    every: float | None
    lasts: float | None
    """Length of a window; None = until removed (or, of an act on live connections, a moment)."""
    count: int | None
    """Most times it strikes."""
    connections: str
    after: float
    params: Mapping[str, Any]
    id: int = 0
    strikes: int = 0
    lifted: bool = False
    """Whether it was removed; what it would still have done is left undone."""

    @property
    def spent(self) -> bool:
        """Whether it struck as often as it may."""
        return self.count is not None and self.strikes >= self.count

    def matches(self, unb: str) -> bool:
        """Tell whether the account is among those it strikes."""
        return any(fnmatch.fnmatchcase(unb, pattern) for pattern in self.unb)

    def since(self, now: float) -> float | None:
        """Return when the window that `now` lies in began, or None outside of one."""
        elapsed = now - self.begin
        if elapsed < 0 or self.spent:
            return None
        start = self.begin + (elapsed // self.every * self.every if self.every else 0.0)
        return None if self.lasts is not None and now - start >= self.lasts else start

    @property
    def momentary(self) -> bool:
        """Whether a window of it is one moment: something done to connections that are live then."""
        return self.kind.point is Point.ACT and self.connections == "live"

    def over(self, now: float) -> bool:
        """Tell whether it can never strike again."""
        if self.spent or self.every is not None:
            return self.spent
        return self.strikes > 0 if self.momentary else self.lasts is not None and now >= self.begin + self.lasts

    def takes(self, opened: float, start: float) -> bool:
        """Tell whether it is meant for a connection opened then, in the window that began at `start`."""
        return self.connections == "all" or (opened < start) == (self.connections == "live")


@dataclass(slots=True)
class FaultBook:
    """All faults of a gateway; the newest one that fits strikes."""

    _faults: list[Fault] = field(default_factory=list)
    _last_id: int = 0

    def add(self, fault: Fault, now: float) -> int:
        """Keep `fault`, forget those that are over, and return its new id."""
        self._faults = [old for old in self._faults if not old.over(now)]
        self._last_id += 1
        fault.id = self._last_id
        self._faults.append(fault)
        return fault.id

    def remove(self, fault_id: int | None) -> list[Fault]:
        """Forget one fault, or all of them for None, and return what was forgotten."""
        gone = [fault for fault in self._faults if fault_id in (None, fault.id)]
        self._faults = [fault for fault in self._faults if fault not in gone]
        return gone

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def strike(
        self,
        kinds: Container[str],
        unb: str,
        now: float,
        *,
        opened: float | None = None,
        issued: float | None = None,
    ) -> Fault | None:
        """
        Return the newest fault of these kinds in force for this account, and count the strike.

        Args:
            opened: When the connection in question was opened.
            issued: When the token or signing cookie in question was; `once` spares those newer than the window.
        """
        for fault in self.in_force(kinds, unb, now, opened=opened, issued=issued):
            fault.strikes += 1
            return fault
        return None

    def in_force(
        self,
        kinds: Container[str],
        unb: str,
        now: float,
        *,
        opened: float | None = None,
        issued: float | None = None,
    ) -> Iterator[Fault]:
        """Yield what `strike` chooses from, newest first, counting nothing."""
        for fault in reversed(self._faults):
            if fault.kind.name not in kinds or (start := fault.since(now)) is None or not fault.matches(unb):
                continue
            if opened is not None and not fault.takes(opened, start):
                continue
            if issued is not None and fault.params.get("once") and issued >= start:
                continue
            yield fault


def parse(entry: object, origin: float) -> Fault:
    """
    Read one fault.

    Args:
        entry: What YAML or JSON gave.
        origin: The moment that `at` counts from.

    Raises:
        BadFault: naming every problem at once.
    """
    if not isinstance(entry, Mapping):
        raise BadFault([_('must be a mapping such as {kind: mute, unb: "2200000000001", at: 20, for: 10}')])
    kind = KINDS.get(str(entry.get("kind")))
    if kind is None:
        raise BadFault([_unknown_kind(entry.get("kind"))])
    reader = _Reader(entry)
    fault = Fault(
        kind=kind,
        unb=reader.patterns(),
        begin=origin + reader.take("at", seconds, 0.0),
        every=reader.take("every", positive, None),
        lasts=reader.take("for", positive, None),
        count=reader.take("count", whole(1, 1_000_000_000), None),
        connections=reader.take("connections", one_of("live", "new", "all"), kind.connections),
        after=reader.take("after", seconds, kind.after),
        params={name: reader.take(name, check, default) for name, (check, default) in kind.params.items()},
    )
    reader.unknown((*_COMMON, *kind.params))
    reader.problems += _contradictions(fault, entry)
    if reader.problems:
        raise BadFault(reader.problems)
    return fault


class _Reader:
    """Takes values out of one entry and gathers what is wrong with them."""

    def __init__(self, entry: Mapping[object, object]) -> None:
        self._entry = entry
        self.problems: list[str] = []

    def take(self, name: str, check: Check, default: Any) -> Any:
        if name not in self._entry:
            if default is ...:
                self.problems.append(_("%(key)s is missing") % {"key": name})
            return default
        try:
            return check(self._entry[name])
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return default

    def patterns(self) -> tuple[str, ...]:
        value = self._entry.get("unb", "*")
        given = value if isinstance(value, list) else [value]
        if not given or not all(isinstance(one, str | int) and not isinstance(one, bool) for one in given):
            self.problems.append("unb: " + _("must be a user id, a pattern such as 22000000000*, or a list of these"))
        return tuple(str(one) for one in given)

    def unknown(self, known: Iterable[str]) -> None:
        known = list(known)
        for key in self._entry:
            if key not in known:
                self.problems.append(_("unknown key %(key)s") % {"key": key} + _hint(str(key), known))


def _contradictions(fault: Fault, entry: Mapping[object, object]) -> Iterator[str]:
    point = fault.kind.point
    if point in (Point.DIAL, Point.LISTEN) and fault.unb != ("*",):
        yield "unb: " + _("must be * here: before /reg the gateway does not know whose connection it is")
    if point is Point.LISTEN and fault.connections == "live":
        yield "connections: " + _("must be new, or all to end the live ones too")
    if "connections" in entry and point is not Point.LISTEN and not fault.kind.chooses_connections:
        yield "connections: " + _("has no meaning for this kind")
    if "after" in entry and point is not Point.ACT:
        yield "after: " + _("has no meaning for this kind")
    if fault.every is None:
        return
    if not fault.momentary and (fault.lasts is None or fault.lasts >= fault.every):
        yield "every: " + _("needs a shorter `for`, or it would never pause")


def _unknown_kind(name: object) -> str:
    if name is None:
        return _("%(key)s is missing") % {"key": "kind"}
    return _("unknown kind %(kind)s") % {"kind": name} + _hint(str(name), KINDS)


def _hint(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return _("; did you mean %(word)s?") % {"word": close[0]} if close else ""
