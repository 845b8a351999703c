"""What is known of one account's login: cookie, token, device id, hook runs; and which cookie wins. Pure.

A cookie that the hook or `xyfleet login` gave wins over the one in accounts.yml until that one changes.
"""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from xyfleet.supervisor.credentials import cookies, record
from xyfleet.worker.causes import Cause
from xyfleet.worker.secret import Secret

SCHEMA: Final = 1
"""Version of the state files. A file with a higher one belongs to a newer xyfleet and is not touched."""

Source = Literal["file", "cookie_file", "hook", "login"]
"""Where a cookie came from: written in accounts.yml, its `cookie_file`, the refresh hook, `xyfleet login`."""


class OtherUser(Exception):
    """The cookie logs in somebody else than this account's user."""

    def __init__(self, expected: str, found: str) -> None:
        self.expected = expected
        self.found = found
        super().__init__(expected, found)

    def __str__(self) -> str:
        return f"cookie of another user: {cookies.IDENTITY} is {self.found}, expected {self.expected}"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Why no token call is made until somebody does something."""

    cause: Cause
    reason: str
    at: float
    """Wall time."""


class Attempt(msgspec.Struct, kw_only=True):
    """One run of the refresh hook. Wall times."""

    start: float
    ran: bool = True
    """False: it could not be started at all, so no login happened."""
    ok: bool = False
    """Stays False when the supervisor died meanwhile."""
    not_before: float | None = None
    """The hook's own wish (`retry_after`) for the next one."""


class Credentials(msgspec.Struct, kw_only=True):
    """One account's state file. Changed in place; `Store.save()` puts it on disk."""

    schema: int = SCHEMA
    cookie: Secret | None = None
    """With all that answers have set since."""
    source: Source | None = None
    file_fingerprint: str | None = None
    """Of the cookie that accounts.yml or the `cookie_file` had when it was last read."""
    unb: str | None = None
    """The user that this account is; pinned with the first cookie."""
    since: int = 0
    """Milliseconds since the epoch at which xyfleet first met this user; 0 = not yet (`meet` says when)."""
    device_id: str | None = None
    token: Secret | None = None
    serial: int = 0
    """Number of the token; grows for ever."""
    expires: float = 0.0
    """Wall time from which the token is not handed out any more."""
    calls: list[float] = []
    """Wall times of the last day's token calls."""
    verdict: Verdict | None = None
    attempts: list[Attempt] = []
    hook_runs: int = 0
    """Since the account exists."""
    needs_human: bool = False
    """The hook said that only a person can help; a new cookie ends it."""


def adopt(held: Credentials, cookie: Secret, source: Source, uuid: UUID) -> bool:
    """Take the owner's file's cookie unless it is the one seen before; return whether it was taken.

    Another user's cookie is the owner's decision here: it becomes another account. Raises `InvalidCookie`.
    """
    plain = cookies.checked(cookie)
    seen = cookies.fingerprint(plain)
    if seen == held.file_fingerprint:
        return False
    _put(held, plain, source, uuid)
    held.file_fingerprint = seen
    return True


def replace(held: Credentials, cookie: Secret, source: Source, uuid: UUID) -> None:
    """Take a cookie from the hook or from `login`. Raises `InvalidCookie` or `OtherUser`, and changes nothing then."""
    _put(held, same_user(held, cookie), source, uuid)


def meet(held: Credentials, now: float) -> bool:
    """Set `since` to wall time `now` if the user is known and was not met before; return whether it was set."""
    if held.unb is None or held.since:
        return False
    held.since = int(now * 1000)
    return True


def same_user(held: Credentials, cookie: Secret) -> Secret:
    """Return a cookie in plain form, or raise `InvalidCookie` or `OtherUser`."""
    plain = cookies.checked(cookie)
    found = cookies.unb(plain) or ""
    if held.unb is not None and found != held.unb:
        raise OtherUser(held.unb, found)
    return plain


def _put(held: Credentials, cookie: Secret, source: Source, uuid: UUID) -> None:
    """A new login: what the old one had (token, verdict) is void."""
    unb = cookies.unb(cookie)
    if unb is not None and unb != held.unb:
        held.since = 0  # Another user's earlier messages are not ours to catch up with.
    if unb is not None and (unb != held.unb or held.device_id is None):
        held.unb, held.device_id = unb, record.device_id(unb, uuid)
    held.cookie, held.source = cookie, source
    held.token, held.verdict, held.needs_human = None, None, False


def _encode_secret(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(f"cannot encode {type(value).__name__}")


def _decode_secret(kind: type, value: Any) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError(f"expected a text for {kind.__name__}")  # msgspec makes a ValidationError of it.


_encoder: Final = msgspec.json.Encoder(enc_hook=_encode_secret)
_decoder: Final = msgspec.json.Decoder(Credentials, dec_hook=_decode_secret)


def encode(value: msgspec.Struct) -> bytes:
    """Return a struct as JSON, secrets in plain text: for 0600 files and the hook's stdin only."""
    return _encoder.encode(value)


def decode(data: bytes) -> Credentials:
    """Return what `encode` wrote, or raise `msgspec.MsgspecError`."""
    return _decoder.decode(data)


def device_id(unb: str, uuid: UUID) -> str:
    """Return a device id for a user: made once, and then kept, for the gateway compares it with the token's."""
    return f"{str(uuid).upper()}-{unb}"
