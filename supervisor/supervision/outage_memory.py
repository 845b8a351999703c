"""What outages leave behind for the next supervisor, and what that one makes of it. Pure.

Kept in wall time, since no other clock outlives the machine. A wall clock may have been set meanwhile: whatever it says
now, no probe and no canary is later than the longest wait allows, counted from now. Nothing ends an outage only because
a supervisor ended: a probe, a canary or the last of those who are down does, a moment after the start at the earliest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from xyfleet.supervisor.credentials.fleet_document import KeptOutage
from xyfleet.supervisor.supervision import canary_turns
from xyfleet.supervisor.supervision.outage import PROBE_EVERY, OutageWatch
from xyfleet.supervisor.supervision.outage_values import PLATFORM, Group, Outage, Scope, scope_key
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret


class Restored(NamedTuple):
    """What is known of the outages in which the supervisor before ended."""

    outages: list[Outage]
    down: dict[str, Cause]
    """Who was down, and for what."""


def kept(watch: OutageWatch, now: float, wall: float) -> list[KeptOutage]:
    """Return what is to be remembered of the outages at this moment, by both clocks."""
    down = watch.down()
    return [
        KeptOutage(
            scope=scope_key(each.scope),
            group=each.group,
            cause=each.cause,
            since=wall + each.since - now,
            accounts=each.accounts,
            next_try=wall + each.next_try - now,
            canary_wait=each.canary_wait,
            ahead=each.canary is not None,
            logged_in=each.canary is not None and each.logged_in,
            down=down.get((each.scope, each.group), []),
        )
        for each in watch.outages.values()
    ]


def restored(found: Iterable[KeptOutage], proxies: Iterable[Secret | None], now: float, wall: float) -> Restored:
    """Return the outages with which a supervisor begins; those of ways that nobody goes any more are over."""
    scopes: dict[str, Scope] = {scope_key(each): each for each in (PLATFORM, *proxies)}
    outages: list[Outage] = []
    down: dict[str, Cause] = {}
    for each in found:
        known = each.scope in scopes and each.group in tuple(Group) and each.cause in tuple(Cause)
        if known:
            outages.append(_outage(each, scopes[each.scope], now, wall))
            down |= dict.fromkeys(each.down, Cause(each.cause))
    return Restored(outages, down)


def _outage(it: KeptOutage, scope: Scope, now: float, wall: float) -> Outage:
    group = Group(it.group)
    first, longest = canary_turns.CANARY_WAIT
    outage = Outage(
        scope=scope,
        group=group,
        cause=Cause(it.cause),
        since=now - max(0.0, wall - it.since),
        accounts=max(1, it.accounts),
        next_try=now,
        probe_wait=PROBE_EVERY,
        canary_wait=min(max(it.canary_wait, first), longest),
    )
    if group is Group.LOGIN:
        outage.next_try = now + min(max(0.0, it.next_try - wall), longest)
        if it.ahead:
            canary_turns.ended(outage, now, failed=it.logged_in)  # what a login brought that was cut off, nobody knows
    return outage
