"""The token call's own language: how it is signed, what its answers mean. Pure.

Source: docs/protocol.md, "Token"; the values are those that the web client sends.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret

API: Final = "mtop.taobao.idlemessage.pc.login.token"
APP_KEY: Final = "34839810"
IM_APP_KEY: Final = "444e9908a51d1cb236a27862abc769c9"
DEFAULT_LIFE: Final = 86_400.0
"""Seconds that a token counts as valid when the answer does not say: what the field says when it is there. Too long
costs one refused registration; too short costs token calls, and those are what risk control watches."""
LONGEST_LIFE: Final = 30 * 86_400.0
SHORTEST_LIFE: Final = 1.0
"""Shorter ones, and dates gone by, are taken for a misread field."""
MAX_TOKEN: Final = 8192
"""Characters of a token; real ones have some 500. Whatever the answer, it has to fit into a message to a worker."""
_ABSOLUTE: Final = 1e12
"""From here on a number of milliseconds is a date (2001 or later), below it is a duration."""


class Ok(msgspec.Struct, frozen=True):
    """A token."""

    token: Secret
    expires: float
    """Wall time."""


class SignExpired(msgspec.Struct, frozen=True):
    """Only the signing cookie is missing or old; the answer sets a new one. Never a reason for a login."""


class SessionExpired(msgspec.Struct, frozen=True):
    """The login is dead."""


class Risk(msgspec.Struct, frozen=True):
    """Risk control wants a person to verify."""


class Transient(msgspec.Struct, frozen=True):
    """Anything else: try again later."""

    reason: Reason


Answer = Ok | SignExpired | SessionExpired | Risk | Transient

_MEANING: Final[tuple[tuple[tuple[str, ...], Answer], ...]] = (
    (("FAIL_SYS_USER_VALIDATE", "RGV587_ERROR"), Risk()),
    (("FAIL_SYS_SESSION_EXPIRED",), SessionExpired()),
    (("FAIL_SYS_TOKEN_EMPTY", "FAIL_SYS_TOKEN_EXOIRED"), SignExpired()),
)
"""`ret` prefixes, the gravest first, whatever the HTTP status. `EXOIRED` is the service's own spelling."""


def form_data(device: str) -> str:
    """Return the call's `data` form field. It is signed byte for byte."""
    return json.dumps({"appKey": IM_APP_KEY, "deviceId": device}, separators=(",", ":"))


def sign(token: str, milliseconds: str, data: str) -> str:
    """Return the `sign` parameter; `token` is the signing part of the cookie, empty when there is none."""
    text = "&".join((token, milliseconds, APP_KEY, data))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def query(token: str, milliseconds: str, data: str) -> dict[str, str]:
    """Return the call's query parameters."""
    return {
        "jsv": "2.7.2",
        "appKey": APP_KEY,
        "t": milliseconds,
        "sign": sign(token, milliseconds, data),
        "v": "1.0",
        "type": "originaljson",
        "accountSite": "xianyu",
        "dataType": "json",
        "timeout": "20000",
        "api": API,
        "sessionOption": "AutoLoginOnly",
        "spm_cnt": "a21ybx.im.0.0",
    }


def classify(status: int, body: bytes, now: float) -> Answer:
    """Say what an answer means; `now` is wall time. Never raises, never shows more of the body than its code."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Transient(Reason("http_status", {"status": status}) if status != 200 else Reason("no_json"))
    codes = _codes(answer)
    for prefixes, meaning in _MEANING:
        if any(code.startswith(prefixes) for code in codes):
            return meaning
    if status != 200:
        return Transient(Reason("http_status", {"status": status}))
    if any(code.startswith("SUCCESS") for code in codes):
        return _token(answer.get("data"), now)
    return Transient(_unknown(codes))


def expiry(value: object, now: float) -> float:
    """Return the wall time until which a token is valid, from `accessTokenExpiredTime` (ms, text or number)."""
    try:
        milliseconds = float(value) if isinstance(value, str | int | float) else 0.0
    except (ValueError, OverflowError):
        milliseconds = 0.0
    seconds = milliseconds / 1000
    if milliseconds > _ABSOLUTE:
        seconds -= now
    if not math.isfinite(seconds) or seconds < SHORTEST_LIFE:
        seconds = DEFAULT_LIFE
    return now + min(seconds, LONGEST_LIFE)


def _codes(answer: object) -> list[str]:
    ret = answer.get("ret") if isinstance(answer, dict) else None
    found = ret if isinstance(ret, list) else [ret]
    return [code.strip() for code in found if isinstance(code, str)]


def _unknown(codes: list[str]) -> Reason:
    """Return the first code's name, and nothing that could be a message's or a person's text."""
    match = re.match(r"\w{1,60}", codes[0], re.ASCII) if codes else None
    return Reason("unknown_answer", {"words": match.group()}) if match else Reason("codeless_answer")


def _token(data: Any, now: float) -> Answer:
    token = data.get("accessToken") if isinstance(data, dict) else None
    if not isinstance(token, str) or not token:
        return Transient(Reason("no_token"))
    if len(token) > MAX_TOKEN:
        return Transient(Reason("long_token", {"count": len(token), "most": MAX_TOKEN}))
    return Ok(Secret(unquote(token)), expiry(data.get("accessTokenExpiredTime"), now))
