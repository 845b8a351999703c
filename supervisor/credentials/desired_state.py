"""What operators want of each account, apart from what is. Pure."""

from __future__ import annotations

import msgspec

from xyfleet.supervisor.credentials.record import SCHEMA


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's stop."""

    by: str
    at: float
    """Wall time."""


class Desired(msgspec.Struct, kw_only=True):
    """What the operator wants, apart from what is: the accounts that are to stay stopped."""

    schema: int = SCHEMA
    stopped: dict[str, Stopped] = {}
