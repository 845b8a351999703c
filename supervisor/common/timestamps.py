"""Times and spans as people read them. Pure (the current time and the zone are arguments)."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, tzinfo

from xyfleet.supervisor.common.i18n import N_, tr


def zone(name: str | None) -> tzinfo | None:
    """Return the zone `fleet.timezone` names; None, this machine's own, when there is none or it is unknown here."""
    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (KeyError, OSError, ValueError):
        return None


def parse(text: str) -> datetime:
    """Return an RFC 3339 time. Raises ValueError."""
    return datetime.fromisoformat(text)


def clock(text: str | None, where: tzinfo | None, now: datetime) -> str:
    """Return an RFC 3339 time as `12:03:05`, with the date in front when that is not today; `-` for null."""
    if text is None:
        return "-"
    local = parse(text).astimezone(where)
    today = local.date() == now.astimezone(where).date()
    return local.strftime("%H:%M:%S" if today else "%m-%d %H:%M:%S")


def span(seconds: float, language: str) -> str:
    """Return a duration in its two largest units."""
    whole = int(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return tr(language, N_("%(days)dd %(hours)dh")) % {"days": days, "hours": hours}
    if hours:
        return tr(language, N_("%(hours)dh %(minutes)dmin")) % {"hours": hours, "minutes": minutes}
    if minutes:
        return tr(language, N_("%(minutes)dmin %(seconds)ds")) % {"minutes": minutes, "seconds": whole % 60}
    return tr(language, N_("%(seconds)ds")) % {"seconds": whole}


def rfc3339(wall: float | None) -> str | None:
    """Return a wall time (seconds since the epoch) as RFC 3339 in UTC, or None."""
    if wall is None:
        return None
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
