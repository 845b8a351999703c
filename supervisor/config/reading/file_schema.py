"""The form of accounts.yml as people write it: every key, its type and its bounds. Pure.

These types check the file (`section_readers`) and make the JSON schema for editors (scripts/lib/accounts_schema.py).
Every key may be absent. What the values mean in the end, and their defaults: `xyfleet.supervisor.settings` and
`xyfleet.worker.settings`. The section `fleet:` is in `fleet_schema`, an account in `account_schema`.
"""

from __future__ import annotations

from typing import Annotated, Final, TypedDict

from msgspec import Meta

from xyfleet.supervisor.config.reading.account_schema import RawAccount, RawDefaults
from xyfleet.supervisor.config.reading.fleet_schema import RawFleet
from xyfleet.supervisor.config.reading.value_types import Count, Seconds, Text


class RawRefresh(TypedDict, total=False):
    """The password-login refresh hook."""

    command: Annotated[list[Text], Meta(min_length=1, description="The hook's program and its arguments; no shell.")]
    timeout: Annotated[Seconds, Meta(description="A hook that runs longer is killed.")]
    cooldown: Annotated[Seconds, Meta(description="Least time between two starts for one account.")]
    max_concurrent: Annotated[
        Count, Meta(description="Hooks that run at once; absent: 3, or 1 with less than 4 GiB of memory.")
    ]
    login_budget: Annotated[Count, Meta(description="Hook runs per account and day.")]


class RawFile(TypedDict, total=False):
    """Settings of a fleet of accounts."""

    version: Annotated[int, Meta(ge=1, description="Version of this format: 1.")]
    include: Annotated[list[Text], Meta(description="Further files with `accounts:` only; * and ? work.")]
    fleet: Annotated[RawFleet, Meta(description="The fleet's own settings.")]
    refresh: Annotated[RawRefresh, Meta(description="The password-login refresh hook.")]
    defaults: Annotated[RawDefaults, Meta(description="Settings for all accounts; an account's own win.")]
    accounts: Annotated[list[RawAccount], Meta(description="The accounts.")]


class RawIncluded(TypedDict, total=False):
    """A file named by `include`."""

    accounts: Annotated[list[RawAccount], Meta(description="The accounts.")]


TEMPLATE_PREFIX: Final = "x-"
"""Top-level keys that begin like this are not read: a place for anchors."""
