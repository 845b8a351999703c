"""What the login hook is told of an account, and what of that must not be shown. Pure, but for the environment."""

from __future__ import annotations

import os
from itertools import takewhile
from typing import Final

import msgspec

from xyfleet.supervisor.credentials.record import Credentials
from xyfleet.supervisor.login_hook.redaction import Redactor
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret

_PASSED_ON: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/", "LANG": "C.UTF-8", "TZ": ""}
"""What a hook sees of our environment, and what it sees when we have none ourselves (empty = absent)."""


class HookAccount(msgspec.Struct, frozen=True, kw_only=True):
    """What the hook is told besides the stored credentials."""

    name: str
    user_agent: str
    username: str | None = None
    password: Secret | None = None
    proxy: Secret | None = None


class HookRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON on the hook's stdin."""

    account: str
    username: str | None
    password: Secret | None
    cookie: Secret | None
    proxy: Secret | None
    user_agent: str
    device_id: str | None
    cause: Cause
    failures: int
    attempt: int


def request_of(account: HookAccount, held: Credentials, cause: Cause, failures: int) -> HookRequest:
    """Return what the hook is asked: the account, what is kept of it, and what the login is to mend."""
    return HookRequest(
        account=account.name,
        username=account.username,
        password=account.password,
        cookie=held.cookie,
        proxy=account.proxy,
        user_agent=account.user_agent,
        device_id=held.device_id,
        cause=cause,
        failures=failures,
        attempt=sum(1 for _ in takewhile(lambda attempt: not attempt.ok, reversed(held.attempts))),
    )


def redactor_of(account: HookAccount, held: Credentials) -> Redactor:
    """Return what hides all that is secret in a hook's output."""
    return Redactor(
        cookie=held.cookie,
        others=[held.cookie, held.token, account.password],
        proxy=account.proxy,
        username=account.username,
    )


def environment(account: str) -> dict[str, str]:
    """Return the hook's environment."""
    kept = {name: os.environ.get(name, default) for name, default in _PASSED_ON.items()}
    return {name: value for name, value in kept.items() if value} | {"XYFLEET_ACCOUNT": account}
