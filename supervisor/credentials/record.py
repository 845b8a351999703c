"""What is kept of one user: cookie, token, device id, hook runs; and which cookie wins. Pure.

A cookie that the hook or `xyfleet login` gave wins over the one in accounts.yml until that one changes.
"""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.identity import DEFAULT, LEGACY, Identity
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import TEXTS, Reason
from xyfleet.worker.secret import Secret

SCHEMA: Final = 2
"""Version of the state files that this xyfleet writes."""
READABLE_BY: Final = 2
"""The oldest version that may read them. A file that wants a newer one than ours is not touched."""

Source = Literal["file", "cookie_file", "hook", "login"]
"""Where a cookie came from: written in accounts.yml, its `cookie_file`, the refresh hook, `xyfleet login`."""


class OtherUser(Exception):
    """The cookie logs in somebody else than the user that this account is."""

    def __init__(self, expected: str, found: str) -> None:
        self.expected = expected
        self.found = found
        self.reason = Reason("cookie_other_user", {"found": found, "expected": expected})
        self.text = Text(TEXTS[self.reason.code], self.reason.fields)
        super().__init__(expected, found)

    def __str__(self) -> str:
        return self.text.say("en")


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Why no token call is made until somebody does something."""

    cause: Cause
    reason: str
    at: float
    """Wall time."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the refresh hook. Wall times."""

    start: float
    ran: bool = True
    """False: it could not be started at all, so no login happened."""
    ok: bool = False
    """Stays False when the supervisor died meanwhile."""
    not_before: float | None = None
    """The hook's own wish (`retry_after`) for the next one."""


class Past(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What supervision has to remember of an account over its own restarts. Times are wall times."""

    crashes: int = 0
    window: float = 0.0
    """Seconds; the next restart's delay is drawn from it."""
    fresh_restart_at: float | None = None
    """When it was last restarted only to get a new token."""
    hold: Cause | None = None
    """Why it is left alone, until `hold_until`."""
    hold_until: float = 0.0
    hold_level: int = 0
    held_for: float = 0.0
    """Seconds."""
    waits: Cause | None = None
    """For what its login is dead, while it waits for the end of an outage with it."""


class Alive(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a login itself, whatever its connection does. Wall times."""

    state: Literal["unknown", "ok", "dead"] = "unknown"
    since: float = 0.0
    renewals: int = 0
    """How often the service has renewed it."""
    last: float = 0.0
    """When a renewal was last begun."""
    next: float = 0.0
    """No renewal before."""
    over: str | None = None
    """Why it is renewed no more: the code of a reason."""


class Shipment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order that was to be marked as shipped; on disk before the call is made."""

    order: str
    at: float
    """Wall time."""
    done: bool = False
    """Whether it is known to be shipped. Else nobody knows, once the call is no longer under way."""


class WantedShipment(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is to be marked as shipped as soon as that may be done."""

    order: str
    at: float
    """Since when; wall time."""


class AskHold(msgspec.Struct, frozen=True, kw_only=True):
    """Why no calls about items and orders are made until then; a new login ends it."""

    reason: Reason
    until: float
    """Wall time."""
    times: int = 1
    """How often in a row it was so."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one user, or of an account that never had a login. `Store.put` and `write` take a new one."""

    schema: int = SCHEMA
    readable_by: int = READABLE_BY
    login: int = 0
    """Number of the login; grows with each new one and with `forget`, never by what its calls bring."""
    cookie: Secret | None = None
    """With all that answers have set since."""
    source: Source | None = None
    file_fingerprint: str | None = None
    """Of the cookie that accounts.yml or the `cookie_file` had when it was last read."""
    unb: str | None = None
    """The user whose record this is; None: of an account that never had a login."""
    since: int = 0
    """Milliseconds since the epoch at which xyfleet first met this user; 0 = not yet (`met` says when)."""
    device_id: str | None = None
    token: Secret | None = None
    serial: int = 0
    """Number of the token; grows for ever."""
    expires: float = 0.0
    """Wall time from which the token is not handed out any more."""
    calls: tuple[float, ...] = ()
    """Wall times of the last day's token calls."""
    verdict: Verdict | None = None
    attempts: tuple[Attempt, ...] = ()
    hook_runs: int = 0
    """Since the account exists."""
    identity: Identity | None = None
    """The browser that it shows itself as since this login; None: a record of a version that pinned none."""
    needs_human: bool = False
    """The hook said that only a person can help; a new cookie ends it."""
    past: Past = Past()
    alive: Alive = Alive()
    ask_hold: AskHold | None = None
    shipments: tuple[Shipment, ...] = ()
    """The latest ones, oldest first."""
    wanted: tuple[WantedShipment, ...] = ()
    """Oldest first; whoever ends one takes it out."""

    def but(self, **changes: Any) -> Credentials:
        """Return a record like this one but for these fields."""
        return msgspec.structs.replace(self, **changes)


def adopted(
    held: Credentials, cookie: Secret, source: Source, uuid: UUID, identity: Identity | None = None
) -> Credentials | None:
    """
    Return what the owner's file's cookie makes of a record; None if it is the one seen there before.

    Raises `InvalidCookie` or `OtherUser`.
    """
    plain = same_user(held, cookie)
    seen = cookies.fingerprint(plain)
    if seen == held.file_fingerprint:
        return None
    return _with(held, plain, source, uuid, identity).but(file_fingerprint=seen)


def replaced(
    held: Credentials, cookie: Secret, source: Source, uuid: UUID, identity: Identity | None = None
) -> Credentials:
    """Return what a cookie of the hook or of `login` makes of a record. Raises `InvalidCookie` or `OtherUser`."""
    return _with(held, same_user(held, cookie), source, uuid, identity)


def shown(held: Credentials, wanted: Identity | None) -> Identity:
    """
    Return the browser that an account shows itself as: the one that its login was pinned with.

    Args:
        wanted: what the file says, for the next login; None: nothing.
    """
    if held.identity is not None:
        return held.identity
    return wanted or (DEFAULT if held.cookie is None else Identity(user_agent=LEGACY))


def pinned(held: Credentials, wanted: Identity | None) -> Credentials:
    """Return the record with its login's identity, of one that an older version left without."""
    return held if held.cookie is None or held.identity else held.but(identity=shown(held, wanted))


def met(held: Credentials, now: float) -> Credentials:
    """Return the record with `since` at wall time `now` if its user is known and was not met before."""
    return held if held.device_id is None or held.since else held.but(since=int(now * 1000))


def up_to(held: Credentials, now: float) -> Credentials:
    """
    Return the record with its runs and calls at wall time `now` at the latest.

    What is still to come by the clock was noted when the clock was ahead. It counts as done now; if it stayed as it is,
    it would count so at every look, and hold the account back until the clock is there again.
    """
    if all(at <= now for at in held.calls) and all(each.start <= now for each in held.attempts):
        return held
    return held.but(
        calls=tuple(min(at, now) for at in held.calls), attempts=tuple(_started(each, now) for each in held.attempts)
    )


def _started(attempt: Attempt, now: float) -> Attempt:
    """Return a run that began at `now` at the latest; what its hook wished for counts from there."""
    ahead = attempt.start - now
    if ahead <= 0:
        return attempt
    wish = None if attempt.not_before is None else attempt.not_before - ahead
    return msgspec.structs.replace(attempt, start=now, not_before=wish)


def joined(user: Credentials, name: Credentials) -> Credentials:
    """Return a user's record with what an account did before it was known that it is this user."""
    attempts = tuple(sorted((*user.attempts, *name.attempts), key=lambda attempt: attempt.start))
    login = max(user.login, name.login)
    return user.but(attempts=attempts, hook_runs=user.hook_runs + name.hook_runs, login=login)


def same_user(held: Credentials, cookie: Secret) -> Secret:
    """Return a cookie in plain form, or raise `InvalidCookie` or `OtherUser`."""
    plain = cookies.checked(cookie)
    found = cookies.unb(plain) or ""
    if held.unb is not None and found != held.unb:
        raise OtherUser(held.unb, found)
    return plain


def _with(held: Credentials, cookie: Secret, source: Source, uuid: UUID, identity: Identity | None) -> Credentials:
    """A new login: what the old one had (token, verdict) is void; without an `identity` that one stays."""
    unb = cookies.unb(cookie)
    assert unb is not None, "checked before"
    return held.but(
        unb=unb,
        device_id=held.device_id or device_id(unb, uuid),
        cookie=cookie,
        source=source,
        identity=identity or held.identity,
        login=held.login + 1,
        token=None,
        verdict=None,
        ask_hold=None,
        needs_human=False,
        alive=Alive(),
    )


def alive_as(alive: Alive, state: Literal["ok", "dead"], now: float) -> Alive:
    """Return what is known of a login that was found in this state at wall time `now`."""
    return alive if alive.state == state else msgspec.structs.replace(alive, state=state, since=now)


def device_id(unb: str, uuid: UUID) -> str:
    """Return a device id for a user: made once, and then kept, for the gateway compares it with the token's."""
    return f"{str(uuid).upper()}-{unb}"


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
