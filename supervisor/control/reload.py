"""Reads the accounts file again, and carries out on the running fleet what changed in it, and nothing else. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Final

from xyfleet.supervisor.common.errors import BadFile, NotPossible
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.config.capacity import growth, read_limits
from xyfleet.supervisor.config.diff import Changes, diff, lost
from xyfleet.supervisor.config.load import load_with_warnings
from xyfleet.supervisor.config.reading.problems import BadFile as BadFileFound
from xyfleet.supervisor.control.types import Reloaded
from xyfleet.supervisor.settings import Settings
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.account_state import Wish
from xyfleet.supervisor.supervision.fleet import Fleet

START_WAIT: Final = 30.0
"""Seconds that a reload waits for its added accounts' workers to be started, at most."""


FEW: Final = 3
"""So many accounts any reload may end."""
SHARE: Final = 5
"""More than `FEW`, and more than one of so many, are ended only when that was said to be meant."""


async def reload(fleet: Fleet, env: Mapping[str, str], by: str, *, sure: bool = False) -> Reloaded:
    """
    Read the file and touch only what changed; one reload at a time. Raises `Refused`; nothing is changed then.

    Args:
        sure: That many accounts end is meant.
    """
    path, before = fleet.settings.path, fleet.settings
    try:
        settings, warnings = await asyncio.to_thread(load_with_warnings, path, env, before=before)
    except BadFileFound as bad:
        fleet.events.add("reload", time=time.time(), new="refused", by=by)
        raise BadFile([str(problem) for problem in bad.problems]) from None
    changes = diff(fleet.settings, settings)
    _refuse_fleet_changes(changes)
    _refuse_users_twice(fleet, settings)
    if not sure:
        _refuse_mass_removal(fleet.settings, settings)
    lacking = _refuse_growth(fleet.settings, settings)
    await _carry_out(fleet, changes, settings)
    done = _reloaded(changes, [*(str(warning) for warning in warnings), *lacking])
    counts = {"added": len(done.added), "removed": len(done.removed)}
    counts |= {"restarted": len(done.restarted), "applied": len(done.applied)}
    fleet.events.add("reload", time=time.time(), new="done", by=by, counts=counts)
    return done


def _refuse_fleet_changes(changes: Changes) -> None:
    if changes.fleet_restart:
        text = N_("a change of %(keys)s needs a stop and a start of the fleet; nothing was changed")
        raise NotPossible(Text(text, {"keys": ", ".join(changes.fleet_restart)}))


def _refuse_mass_removal(old: Settings, new: Settings) -> None:
    """Refuse to end a large part of the fleet: more often a half-written file than a wish."""
    gone = lost(old, new)
    if len(gone) > FEW and len(gone) * SHARE > len(old.accounts):
        text = N_(
            "%(count)d of %(all)d accounts would be removed or disabled (%(first)s, …); nothing was changed. If that is"
            " meant: xyfleet reload --yes"
        )
        first = ", ".join(gone[:FEW])
        raise NotPossible(Text(text, {"count": len(gone), "all": len(old.accounts), "first": first}), lost=gone)


def _refuse_growth(old: Settings, new: Settings) -> list[str]:
    """Refuse what the machine can't hold, before anything is touched; return what it may not hold."""
    found = growth(old, new, read_limits())
    if found.refusals:
        text = N_("the fleet can't grow so far: %(why)s; nothing was changed")
        raise NotPossible(Text(text, {"why": "; ".join(found.refusals)}))
    return found.warnings


def _refuse_users_twice(fleet: Fleet, settings: Settings) -> None:
    """Two accounts of one user would kick each other out for ever."""
    for account in settings.accounts.values():
        holder = fleet.logins.holder(account, settings.accounts)
        if holder is not None:
            text = N_("the new cookie of %(name)s is of the user that account %(holder)s is; nothing was changed")
            raise NotPossible(Text(text, {"name": account.name, "holder": holder}))


async def _carry_out(fleet: Fleet, changes: Changes, settings: Settings) -> None:
    fleet.apply(settings)
    removed = [fleet.members[name] for name in changes.removed]
    for member in removed:
        member.happened(Event(kind=Kind.REMOVED))
    for name in (*changes.live, *changes.restarted):
        _update(fleet, name, settings, restart=name in changes.restarted)
    if settings.refresh.command is not None:
        for member in fleet.members.values():
            if member.condition.person == "no_hook":
                member.happened(Event(kind=Kind.SETTINGS_LIVE, has_hook=True))
    for name in changes.added:
        fleet.begin(fleet.enlist(settings.accounts[name]))
    for member in removed:
        await member.slot.wait_gone()
        fleet.discharge(member)
    await _until_started(fleet, changes.added)


def _update(fleet: Fleet, name: str, settings: Settings, *, restart: bool) -> None:
    """Bring a running account to its new settings. A change that needs no worker forgives nothing."""
    member = fleet.members[name]
    moved, before = member.account.proxy != settings.accounts[name].proxy, fleet.store.get(name).unb
    member.account = settings.accounts[name]
    if moved:
        fleet.recovery.moved(member)
    if fleet.logins.adopt(member.account):
        other = before not in (None, fleet.store.get(name).unb)
        member.happened(Event(kind=Kind.COOKIE, why="new cookie in the file", other_user=other))
    if not member.account.enabled:
        member.happened(Event(kind=Kind.DISABLED))
    elif member.condition.wish is Wish.DISABLED:
        stopped = fleet.store.stopped(name) is not None
        member.happened(Event(kind=Kind.UNWANT if stopped else Kind.ENABLED))
    elif restart:
        member.happened(Event(kind=Kind.SETTINGS_RESTART))
    member.happened(Event(kind=Kind.SETTINGS_LIVE))


async def _until_started(fleet: Fleet, names: Sequence[str]) -> None:
    """Wait until the added accounts' starts were asked for, or have something else to wait for."""
    added = [fleet.members[name] for name in names]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_WAIT):
            for member in added:
                await member.start_decided.wait()


def _reloaded(changes: Changes, warnings: list[str]) -> Reloaded:
    return Reloaded(
        added=list(changes.added),
        removed=list(changes.removed),
        restarted=list(changes.restarted),
        applied=list(changes.live),
        unchanged=len(changes.kept),
        warnings=warnings,
    )
