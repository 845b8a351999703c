"""What an account's condition leaves behind for the next supervisor, and what that one makes of it. Pure.

Kept in wall time, since no other clock outlives the machine. A wall clock may have been set meanwhile: whatever it says
now, nothing lasts longer than the longest that its kind allows, counted from now.
"""

from __future__ import annotations

from typing import Final

import msgspec

from xyfleet.supervisor.credentials.record import Past
from xyfleet.supervisor.supervision.account_state import HOUR, Condition, Hold, Login
from xyfleet.supervisor.supervision.restart_policy import HOLDS, MOST_CRASHES, RestartRules

MOST_LEVELS: Final = 16


def past_of(it: Condition, now: float, wall: float) -> Past:
    """Return what is to be remembered of a condition at this moment, by both clocks."""
    fresh = it.fresh_restart_at
    return Past(
        crashes=it.crashes,
        window=it.window,
        fresh_restart_at=None if fresh is None else wall + fresh - now,
        hold=None if it.hold is None else it.hold.cause,
        hold_until=0.0 if it.hold is None else wall + it.hold.until - now,
        hold_level=it.hold_level,
        held_for=it.held_for,
        waits=it.cause if it.waits_for == "outage" else None,
    )


def same_past(one: Condition, other: Condition) -> bool:
    """Whether the same is to be remembered of two conditions of one account."""
    return _part(one) == _part(other)


def _part(it: Condition) -> tuple[object, ...]:
    return it.crashes, it.window, it.fresh_restart_at, it.hold, it.hold_level, it.held_for, it.waits_for == "outage"


def restored(it: Condition, past: Past, now: float, wall: float, rules: RestartRules) -> Condition:
    """Return the condition with which an account begins that has this past."""
    longest = max(longest for _, longest in HOLDS.values())
    changed = msgspec.structs.replace(
        it,
        crashes=max(0, min(past.crashes, MOST_CRASHES)),
        window=max(0.0, min(past.window, rules.backoff_max)),
        fresh_restart_at=_ago(past.fresh_restart_at, now, wall),
        hold_level=max(0, min(past.hold_level, MOST_LEVELS)),
        held_for=max(0.0, min(past.held_for, longest)),
    )
    if it.login is not Login.FINE:
        return changed
    if past.waits is not None:
        waiting = {"login": Login.HOOK_WAITING, "waits_for": "outage", "hook_needed": True, "cause": past.waits}
        return msgspec.structs.replace(changed, **waiting)
    if past.hold not in HOLDS or past.hold_until <= wall:
        return changed
    hold = Hold(cause=past.hold, until=now + min(past.hold_until - wall, HOLDS[past.hold][1]))
    return msgspec.structs.replace(changed, login=Login.HELD, hold=hold, cause=past.hold)


def _ago(at: float | None, now: float, wall: float) -> float | None:
    """Return a moment of the past hour by the other clock; one in the future is now, an older one is forgotten."""
    if at is None or wall - at > HOUR:
        return None
    return now - max(0.0, wall - at)
