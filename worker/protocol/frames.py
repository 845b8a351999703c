"""The frames of the IM socket: recognise what comes, build what goes. Pure.

Source: docs/protocol.md. What pushes carry is not decoded here; a body stays the bytes it came in.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, Final

import msgspec

from xyfleet.worker.protocol.json_values import as_ms
from xyfleet.worker.protocol.reg_ua import reg_ua
from xyfleet.worker.text import is_number

MAX_SIZE: Final = 8 * 1024 * 1024
"""Most bytes of a frame; sync frames of several MiB are real."""
MOST_HEAD: Final = 64 * 1024
"""Bytes of headers, and of each other part of a frame's head, that are read; real ones have a few hundred."""
APP_KEY: Final = "444e9908a51d1cb236a27862abc769c9"

KICKOUT: Final = "/push/kickout"
SESSION_REMOVE: Final = "/s/session/remove"
GET_STATE: Final = "/r/SyncStatus/getState"
ACK_DIFF: Final = "/r/SyncStatus/ackDiff"
NOT_REGISTERED: Final = 401
"""The code of an answer to whoever is not registered, or not any more."""
STATE_TOPIC: Final = [{"topic": "sync"}]

_ACK_COPIES: Final = ("mid", "sid", "app-key", "ua", "dt")
_LIMIT_TEXTS: Final = ("connect limit", "session remove", "too many")
_TOKEN_TEXTS: Final = ("invalid token", "token invalid", "not auth", "device id or appkey is not equal")
_REASON_KEYS: Final = ("reason", "message", "msg", "ret", "moreInfo", "error", "error_message")
_TOO_LONG: Final = (1, 2)
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
MOST_MENDED: Final = 256 * 1024
"""Bytes of a frame in which half characters are looked for: that takes some 50 ms, in which no heartbeat goes out."""
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""An escape of a JSON text; its group is half a surrogate pair: a text was cut in the middle of an emoji."""


class Unreadable(Exception):
    """A frame that is not JSON."""


class Push(msgspec.Struct, frozen=True):
    """Something that the server says by itself."""

    lwp: str
    headers: dict[str, Any]
    body: msgspec.Raw


class Response(msgspec.Struct, frozen=True):
    """The answer to the request whose mid begins with `key`."""

    key: str
    code: object
    body: msgspec.Raw
    """As it came; `null` when there is none."""
    frame: bytes

    @property
    def ok(self) -> bool:
        """Whether it is a plain 200; a text "200" is not."""
        return self.code == 200


class Other(msgspec.Struct, frozen=True):
    """Neither a push nor a response: to be ignored, without an ack."""

    key: str = ""
    """Where it would be a response if it had a code: the request that it means."""


OTHER: Final = Other()
_NULL: Final = msgspec.Raw(b"null")


class TooLong:
    """Stands for a part of a frame's head that is not read."""


class _Envelope(msgspec.Struct):
    lwp: msgspec.Raw = _NULL
    code: msgspec.Raw = _NULL
    headers: msgspec.Raw = _NULL
    body: msgspec.Raw = _NULL


class _SyncBody(msgspec.Struct):
    syncExtraType: msgspec.Raw = _NULL


class _Reasons(msgspec.Struct):
    """Where a refusal may give its reason."""

    reason: msgspec.Raw = _NULL
    message: msgspec.Raw = _NULL
    msg: msgspec.Raw = _NULL
    ret: msgspec.Raw = _NULL
    moreInfo: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL
    error_message: msgspec.Raw = msgspec.field(default=_NULL, name="error-message")


class _Stamped(msgspec.Struct):
    timestamp: int | str | None = None


class _StampedPush(msgspec.Struct):
    syncPushPackage: _Stamped | None = None


_envelope: Final = msgspec.json.Decoder(_Envelope)
_sync_body: Final = msgspec.json.Decoder(_SyncBody)
_stamped: Final = msgspec.json.Decoder(_Stamped)
_stamped_push: Final = msgspec.json.Decoder(_StampedPush)
_reasons: Final = msgspec.json.Decoder(_Reasons)
_anything: Final = msgspec.json.Decoder()
_encode: Final = msgspec.json.Encoder().encode


def key(mid: str) -> str:
    """Return the part of a mid that says whose answer it is: the text before the blank."""
    return mid.partition(" ")[0]


def parse(frame: bytes) -> Push | Response | Other:
    """
    Return what the frame is, in the order of docs/protocol.md: push, response, anything else.

    Half an emoji somewhere in it, say in one buyer's text of a whole list, costs that character.

    Raises:
        Unreadable: it is not JSON.
    """
    try:
        return _parsed(frame)
    except Unreadable:
        mended = _mended(frame) if len(frame) <= MOST_MENDED else frame
        if mended == frame:
            raise
        return _parsed(mended)


def _mended(frame: bytes) -> bytes:
    """Return a frame with a question mark for each half character."""
    parts, end = [], 0
    for escape in _ESCAPE.finditer(frame):
        if escape[1] is not None:
            parts += [frame[end : escape.start()], b"?"]
            end = escape.end()
    return b"".join((*parts, frame[end:]))


def _parsed(frame: bytes) -> Push | Response | Other:
    try:
        envelope = _envelope.decode(frame)
        headers, lwp, code = _head(envelope.headers), _head(envelope.lwp), _head(envelope.code)
    except msgspec.ValidationError:
        return OTHER  # JSON, but no object
    except _UNDECODABLE:
        raise Unreadable(f"frame of {len(frame)} bytes is not JSON") from None
    if not isinstance(headers, dict):
        return OTHER
    if isinstance(lwp, str):
        return Push(lwp, headers, envelope.body)
    mid = headers.get("mid")
    if lwp is not None or not isinstance(mid, str):
        return OTHER
    if code is None:
        return Other(key(mid))
    return Response(key(mid), code, envelope.body, frame)


def _head(raw: msgspec.Raw) -> object:
    """Return a part of a frame's head, or that it is too long. Raises `_UNDECODABLE`."""
    data = memoryview(raw)
    return _anything.decode(data) if len(data) <= MOST_HEAD else TooLong()


def wants_state(push: Push) -> bool:
    """Tell whether the push says that the sync position is too far behind: `body.syncExtraType.type` 1 or 2."""
    try:
        extra = _head(_sync_body.decode(push.body).syncExtraType)
    except _UNDECODABLE:
        return False
    return isinstance(extra, dict) and extra.get("type") in _TOO_LONG


def time_of_push(push: Push) -> int | None:
    """Return when (ms) the server says that it made the push; None where it does not."""
    try:
        package = _stamped_push.decode(push.body).syncPushPackage
    except _UNDECODABLE:
        return None
    return None if package is None else as_ms(package.timestamp)


def time_of_registration(response: Response) -> int | None:
    """Return when (ms) the server says that it answered `/reg`; None where it does not."""
    try:
        return as_ms(_stamped.decode(response.body).timestamp)
    except _UNDECODABLE:
        return None


def call(lwp: str, mid: str, body: object) -> bytes:
    """Return the frame of a request with a body."""
    return _encode({"lwp": lwp, "headers": {"mid": mid}, "body": body})


def heartbeat(mid: str) -> bytes:
    """Return a beat."""
    return _encode({"lwp": "/!", "headers": {"mid": mid}})


def ack(push: Push) -> bytes | None:
    """Return the ack of a push, or None for one without a mid that can be repeated, which can't be acked."""
    copies = {name: push.headers[name] for name in _ACK_COPIES if name in push.headers}
    # A nested one, or a number without end, could not be written.
    simple = {name: value for name, value in copies.items() if isinstance(value, str | float) or is_number(value)}
    return _encode({"code": 200, "headers": simple}) if "mid" in simple else None


def reg(token: str, user_agent: str, device_id: str, mid: str) -> bytes:
    """Return the registration of a new connection."""
    headers = {
        "cache-header": "app-key token ua wv",
        "app-key": APP_KEY,
        "token": token,
        "ua": reg_ua(user_agent),
        "dt": "j",
        "wv": "im:3,au:3,sy:6",
        "sync": "0,0;0;0;",
        "did": device_id,
        "mid": mid,
    }
    return _encode({"lwp": "/reg", "headers": headers})


class Registration(Enum):
    """What the answer to `/reg` means."""

    OK = "ok"
    BAD_TOKEN = "bad token"
    LIMIT = "limit"
    PROTOCOL = "protocol"


def registration(response: Response) -> tuple[Registration, str]:
    """Return what the answer to `/reg` means, and the server's own words for it."""
    if response.ok:
        return Registration.OK, ""
    words = _reason(response)
    lower = words.lower()
    if any(text in lower for text in _LIMIT_TEXTS):
        return Registration.LIMIT, words
    if response.code in (NOT_REGISTERED, str(NOT_REGISTERED)) or any(text in lower for text in _TOKEN_TEXTS):
        return Registration.BAD_TOKEN, words
    return Registration.PROTOCOL, words


def _reason(response: Response) -> str:
    """Return the reason texts, from wherever servers put them: the body, the headers or the frame itself."""
    envelope = _envelope.decode(response.frame)
    places = (envelope.body, envelope.headers, msgspec.Raw(response.frame))
    values = [value for place in places for value in _reasons_of(place)]
    texts = [text for value in values for text in (value if isinstance(value, list) else [value])]
    return "; ".join(text for text in texts if isinstance(text, str))


def _reasons_of(place: msgspec.Raw) -> list[object]:
    try:
        found = _reasons.decode(place)
        return [_head(getattr(found, name)) for name in _REASON_KEYS]
    except _UNDECODABLE:
        return []
