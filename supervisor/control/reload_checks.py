"""What is looked at before a reload touches anything. Pure.

A check is a function of the plan that raises `NotPossible`, or returns what is worth a warning; `CHECKS` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from xyfleet.supervisor.common.errors import NotPossible
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.config.capacity import growth
from xyfleet.supervisor.config.diff import Changes, lost
from xyfleet.supervisor.config.machine_limits import Limits
from xyfleet.supervisor.credentials.assignment import Assignment
from xyfleet.supervisor.credentials.cookies import fingerprint
from xyfleet.supervisor.credentials.record import Credentials
from xyfleet.supervisor.settings import Account, Settings

FEW: Final = 3
"""So many accounts any reload may end."""
SHARE: Final = 5
"""More than `FEW`, and more than one of so many, are ended only when that was said to be meant."""


class Users(NamedTuple):
    """Who the accounts of a file are."""

    assignment: Assignment
    held: Mapping[str, Credentials]
    """What is stored of each of them."""
    renamed: frozenset[str]
    """Those that were another user so far."""


class Plan(NamedTuple):
    """A reload that nothing was done of yet."""

    running: Settings
    """What the accounts run with now, whatever an interrupted reload has left."""
    wanted: Settings
    changes: Changes
    users: Users
    limits: Limits
    sure: bool
    """Whether it was said that ending many accounts is meant."""
    read: float
    """When the reading of `wanted` began, in monotonic seconds."""


def is_new(account: Account, held: Credentials) -> bool:
    """Whether the file's cookie was never seen there before."""
    return account.cookie is not None and fingerprint(account.cookie) != held.file_fingerprint


def check(plan: Plan) -> list[str]:
    """Return the warnings of all checks. Raises `NotPossible`."""
    return [warning for one in CHECKS for warning in one(plan)]


def _fleet_changes(plan: Plan) -> list[str]:
    if plan.changes.fleet_restart:
        text = N_("a change of %(keys)s needs a stop and a start of the fleet; nothing was changed")
        raise NotPossible(Text(text, {"keys": ", ".join(plan.changes.fleet_restart)}))
    return []


def _users(plan: Plan) -> list[str]:
    """Two accounts of one user would kick each other out for ever; an account that changed its user would mix them."""
    clashes = plan.users.assignment.clashes
    if clashes:
        text = N_("%(why)s; nothing was changed")
        raise NotPossible(Text(text, {"why": clashes[0].text}))
    return []


def _mass_removal(plan: Plan) -> list[str]:
    """Refuse to end a large part of the fleet: more often a half-written file than a wish."""
    gone, before = lost(plan.running, plan.wanted), len(plan.running.accounts)
    if not plan.sure and len(gone) > FEW and len(gone) * SHARE > before:
        text = N_(
            "%(count)d of %(all)d accounts would be removed or disabled (%(first)s, …); nothing was changed. If that is"
            " meant: xyfleet reload --yes"
        )
        first = ", ".join(gone[:FEW])
        raise NotPossible(Text(text, {"count": len(gone), "all": before, "first": first}), lost=gone)
    return []


def _growth(plan: Plan) -> list[str]:
    """Refuse what the machine can't hold; warn of what it may not hold."""
    found = growth(plan.running, plan.wanted, plan.limits)
    if found.refusals:
        text = N_("the fleet can't grow so far: %(why)s; nothing was changed")
        raise NotPossible(Text(text, {"why": "; ".join(found.refusals)}))
    return found.warnings


CHECKS: Final[tuple[Callable[[Plan], list[str]], ...]] = (_fleet_changes, _users, _mass_removal, _growth)
