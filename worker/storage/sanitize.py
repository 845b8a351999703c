"""Makes what came in fit for the store, so that nothing odd in one message costs it, or those beside it. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from xyfleet.worker.protocol.incoming import IncomingItem

LAST_TIME: Final = 253_402_300_799_999
"""The last millisecond of the year 9999; later is not a time that a server means."""
_TEXTS: Final = ("id", "conversation", "item", "sender", "sender_name", "text", "order", "buyer")
_encoder: Final = msgspec.json.Encoder(enc_hook=repr)


def time(said: int | None, now: int) -> int:
    """Return when a message was sent: now, where the server says nothing, or nothing that is a time."""
    return said if said is not None and 0 <= said <= LAST_TIME else now


def texts(each: IncomingItem) -> IncomingItem:
    """Return a message whose texts can be stored: halves of surrogate pairs, which no file takes, are replaced."""
    held: dict[str, str | None] = {name: getattr(each, name) for name in _TEXTS}
    try:
        "".join(filter(None, held.values())).encode()
    except UnicodeEncodeError:
        return msgspec.structs.replace(each, **{name: text and _legible(text) for name, text in held.items()})
    return each


def payload(raw: Any) -> bytes:
    """Return a payload as JSON; what JSON can't say, as the text of it."""
    try:
        return _encoder.encode(raw)
    except Exception:  # noqa: BLE001 (whatever a payload holds, it must not cost the message)
        return _encoder.encode(_legible(repr(raw)))


def _legible(text: str) -> str:
    return text.encode(errors="replace").decode()
