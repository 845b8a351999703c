"""What a reading of the file changes in what runs, and how little has to be touched for it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import msgspec

from xyfleet.supervisor.settings import SIMULATOR, Account, Fleet, Settings

FLEET_RESTART: Final = frozenset(
    (
        "fleet.name",
        "fleet.state_dir",
        "fleet.http",
        "fleet.simulator",
        "fleet.ca_file",
        "fleet.log.format",
        "fleet.log.dir",
        "fleet.log.max_bytes",
        "fleet.log.backups",
        "fleet.log.total",
    )
)
"""Settings that only a new supervisor takes up (and `fleet.endpoint` to or from `simulator`)."""
ALL_ACCOUNTS_RESTART: Final = frozenset(("fleet.endpoint",))
"""Settings of the fleet that need a new connection of every account."""
ALL_ACCOUNTS_LIVE: Final = frozenset(("fleet.hang_timeout", "fleet.log.beats"))
"""Settings of the fleet that every worker is told, without touching its socket."""
ACCOUNT_RESTART: Final = frozenset(("proxy", "enabled", "handler", "handler_env"))
"""Settings of an account that need its restart; all others are live, but for a webhook that comes or goes."""
_NO_CHANGE: Final = frozenset(("where", "cookie"))
"""Fields that may differ although nothing changed: an entry that moved to another line, a cookie that is known.
Whether a cookie is news is not seen from two readings: a watched `cookie_file` is taken in between."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between what runs and a reading. Each account of both is in exactly one of the five."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    """Accounts that need a restart; `enabled` switched off (then: stop) or on is among these."""
    live: tuple[str, ...] = ()
    """Accounts whose new settings take effect without touching the socket."""
    kept: tuple[str, ...] = ()
    """Accounts with nothing new, but for the line they stand in."""
    fleet_restart: tuple[str, ...] = ()
    """Changed settings, dotted, that only a restart of the supervisor applies."""
    fleet_live: tuple[str, ...] = ()
    """Changed settings of `fleet` and `refresh`, dotted, that take effect at once."""


def diff(
    old: Settings, new: Settings, *, new_cookies: Collection[str] = (), told: Mapping[str, Fleet] | None = None
) -> Changes:
    """
    Return what has to change from `old` to `new`; account names in the order of the file that has them.

    Args:
        old: What runs.
        new: What is wanted.
        new_cookies: Accounts whose cookie in `new` was never seen there before.
        told: The fleet's settings that an account runs with, where they are not those of `old`.
    """
    told = told or {}
    of_fleet = _changed_of_fleet(old.fleet, new.fleet)
    changed = of_fleet | set(_differences("refresh", old.refresh, new.refresh))
    held_back = changed & FLEET_RESTART
    if "fleet.endpoint" in changed and SIMULATOR in (old.fleet.endpoint, new.fleet.endpoint):
        held_back |= changed & {"fleet.endpoint", "fleet.token_url"}
    sorts: dict[str, list[str]] = {"kept": [], "live": [], "restarted": []}
    for name, account in new.accounts.items():
        if name in old.accounts:
            fleet = _changed_of_fleet(told[name], new.fleet) if name in told else of_fleet
            sort = _sort(old.accounts[name], account, fleet - held_back, new_cookie=name in new_cookies)
            sorts[sort].append(name)
    return Changes(
        added=tuple(name for name in new.accounts if name not in old.accounts),
        removed=tuple(name for name in old.accounts if name not in new.accounts),
        fleet_restart=tuple(sorted(held_back)),
        fleet_live=tuple(sorted(changed - held_back - ALL_ACCOUNTS_RESTART)),
        **{sort: tuple(names) for sort, names in sorts.items()},
    )


def lost(old: Settings, new: Settings) -> list[str]:
    """Return the accounts of `old` that would not run any more: removed, or disabled now."""
    return [
        name
        for name, account in old.accounts.items()
        if name not in new.accounts or (account.enabled and not new.accounts[name].enabled)
    ]


def _sort(old: Account, new: Account, fleet: set[str], *, new_cookie: bool) -> str:
    """Return `kept`, `live` or `restarted` for one account."""
    changed = {key for key in Account.__struct_fields__ if getattr(old, key) != getattr(new, key)} - _NO_CHANGE
    if not old.enabled and not new.enabled:
        return "live" if changed or new_cookie else "kept"
    webhook_came_or_went = (old.webhook is None) != (new.webhook is None)
    if new_cookie or changed & ACCOUNT_RESTART or webhook_came_or_went or fleet & ALL_ACCOUNTS_RESTART:
        return "restarted"
    return "live" if changed or fleet & ALL_ACCOUNTS_LIVE else "kept"


def _changed_of_fleet(old: Fleet, new: Fleet) -> set[str]:
    return set(_differences("fleet", old, new))


def _differences(path: str, old: Any, new: Any) -> Iterator[str]:
    """Yield the dotted paths of the fields that differ; a struct that came or went counts as one."""
    for key in old.__struct_fields__:
        before, after = getattr(old, key), getattr(new, key)
        if before == after:
            continue
        inner = f"{path}.{key}"
        if isinstance(before, msgspec.Struct) and type(before) is type(after) and inner not in FLEET_RESTART:
            yield from _differences(inner, before, after)
        else:
            yield inner
