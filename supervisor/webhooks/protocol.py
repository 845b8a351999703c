"""What the webhook process hears on its standard input and speaks on its socket: one JSON value a line. Pure.

Down its standard input come tables, each in the place of the one before. On the socket a worker writes requests and
gets one answer for each, in any order: replies (none = no answer), a failure (the webhook was or may have been called,
and gave no good answer), or a refusal (it was not called).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from xyfleet.supervisor.settings import Account, Webhook
from xyfleet.worker.handlers.base import HandOver, Reply
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret, Spelled

Table = Mapping[str, Webhook]
"""Webhooks by account."""

MAX_LINE: Final = 32 * 1024 * 1024
"""Bytes of a request; a frame of the server (8 MiB at most) fits in any spelling that JSON has for it."""
_SHORTEST: Final = 4
"""What is shorter is no secret, and masking it would hide the text."""


class Request(msgspec.Struct, frozen=True):
    """A message for an account's webhook."""

    number: int
    """The asker's own; its answer bears it too."""
    account: str
    timeout: Annotated[float, msgspec.Meta(gt=0)]
    """Seconds for all of it, waiting for a turn included."""
    message: msgspec.Raw
    """The JSON that is posted, byte by byte."""
    fleet: str | None = None
    """Whose worker asks: accounts of two fleets may have one name. Workers of older versions do not say."""


class Replied(msgspec.Struct, frozen=True, omit_defaults=True):
    """The webhook was called, and answered."""

    number: int
    replies: tuple[Reply, ...]
    hand_over: HandOver | None = None


class Failed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The call counts as an attempt."""

    number: int
    failed: str
    later: bool = False
    """Whether the service takes no calls now: of an order it does not count then."""


class NotCalled(msgspec.Struct, frozen=True):
    """Nothing was posted."""

    number: int
    refused: Reason


class BadLine(Exception):
    """Not one of ours."""


_request: Final = msgspec.json.Decoder(Request)
_table: Final = msgspec.json.Decoder(dict[str, tuple[str, str | None]])


def decode_request(line: bytes) -> Request:
    """Return a request, or raise `BadLine`."""
    try:
        return _request.decode(line)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadLine(f"a request can't be read: {error}") from None


def encode_answer(answer: Replied | Failed | NotCalled) -> bytes:
    """Return an answer as a line."""
    return msgspec.json.encode(answer) + b"\n"


def encode_table(table: Table) -> bytes:
    """Return a table as a line, secrets included: for the private pipe."""
    plain = {name: (hook.url.reveal(), hook.secret.reveal() if hook.secret else None) for name, hook in table.items()}
    return msgspec.json.encode(plain) + b"\n"


def decode_table(line: bytes) -> Table:
    """Return the table of a line, or raise `BadLine`, which repeats nothing of it."""
    try:
        plain = _table.decode(line)
    except msgspec.MsgspecError:
        raise BadLine("a table can't be read") from None
    return {
        name: Webhook(url=Secret(url), secret=None if secret is None else Secret(secret))
        for name, (url, secret) in plain.items()
    }


def table_of(accounts: Iterable[Account]) -> Table:
    """Return the webhooks of the enabled accounts."""
    return {account.name: account.webhook for account in accounts if account.enabled and account.webhook is not None}


def masked(line: str, table: Table) -> str:
    """Return a line of the process's standard error with the table's secrets masked."""
    # The longest first: one may be a part of another.
    for secret in sorted(_secrets(table), key=len, reverse=True):
        line = Spelled(secret).masked(line)
    return line


def _secrets(table: Table) -> set[str]:
    """Return keys and addresses, and of these the parts that may be keys: user, password, path, query."""
    found: set[str] = set()
    for hook in table.values():
        parts = urlsplit(hook.url.reveal())
        found |= {hook.url.reveal(), parts.username or "", parts.password or "", parts.path, parts.query}
        found.add(hook.secret.reveal() if hook.secret else "")
    return {secret for secret in found if len(secret) >= _SHORTEST}
