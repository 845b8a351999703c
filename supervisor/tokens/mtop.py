"""The token call's own language: how it is signed, what its answers mean. Pure.

Source: docs/protocol.md, "Token"; the values are those that the web client sends.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import string
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from xyfleet.supervisor.tokens import answer_words
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret
from xyfleet.worker.text import cut

API: Final = "mtop.taobao.idlemessage.pc.login.token"
APP_KEY: Final = "34839810"
_LETTERS: Final = string.ascii_letters + string.digits
IM_APP_KEY: Final = "444e9908a51d1cb236a27862abc769c9"
DEFAULT_LIFE: Final = 86_400.0
"""Seconds that a token counts as valid when the answer does not say: what the field says when it is there. Too long
costs one refused registration; too short costs token calls, and those are what risk control watches."""
LONGEST_LIFE: Final = 30 * 86_400.0
SHORTEST_LIFE: Final = 1.0
"""Shorter ones, and dates gone by, are taken for a misread field."""
MAX_TOKEN: Final = 8192
"""Characters of a token; real ones have some 500. Whatever the answer, it has to fit into a message to a worker."""
_KEYS: Final = frozenset({"api", "v", "ret", "data", "traceId", "rgv587_flag", "url"})
_DATA_KEYS: Final = frozenset({"accessToken", "accessTokenExpiredTime", "refreshToken", "url"})
_NOT_JSON: Final = object()
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


class Unsure(msgspec.Struct, frozen=True):
    """A bad signature, or a dead login: sign anew once; if it is said again the login is dead."""


class Transient(msgspec.Struct, frozen=True):
    """No answer of the service itself: try again later."""

    reason: Reason


class Unknown(msgspec.Struct, frozen=True):
    """The service answered, with words that are not known here, or asks for less: try again later."""

    reason: Reason
    wait: float = 0.0
    """Least seconds until then."""


Answer = Ok | SignExpired | SessionExpired | Risk | Unsure | Transient | Unknown

SLOWER: Final = 300.0
"""Least seconds without a call after the service asked for fewer ("wait minutes")."""
_SLOWER_STATUS: Final = frozenset({420, 429})
_MEANING: Final[tuple[tuple[Callable[[Iterable[str]], bool], Answer], ...]] = (
    (answer_words.check_wanted, Risk()),
    (answer_words.login_dead, SessionExpired()),
    (answer_words.sign_old, SignExpired()),
    (answer_words.unsure, Unsure()),
)
"""What entries of `ret` mean, the gravest first, whatever the HTTP status."""
_WRAPPED: Final = re.compile(rb"\s*\w{1,40}\((.*)\)\s*;?\s*", re.DOTALL)
"""An answer as a script's call, `mtopjsonp1({...})`."""


def form_data(device: str) -> str:
    """Return the call's `data` form field. It is signed byte for byte."""
    return json.dumps({"appKey": IM_APP_KEY, "deviceId": device}, separators=(",", ":"))


def sign(token: str, milliseconds: str, data: str) -> str:
    """Return the `sign` parameter; `token` is the signing part of the cookie, empty when there is none."""
    text = "&".join((token, milliseconds, APP_KEY, data))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def page_id(random: Random) -> str:
    """Return the id of one view of the page: 8 hex digits, 6 letters or digits."""
    return f"{random.getrandbits(32):08x}" + "".join(random.choices(_LETTERS, k=6))


def query(token: str, milliseconds: str, data: str, page: str | None = None) -> dict[str, str]:
    """Return the call's query parameters, in the page's order; `page` is the id of the page view that it belongs to."""
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
        **({} if page is None else {"spm_pre": f"a21ybx.home.sidebar.1.{page}", "log_id": page}),
    }


def classify(status: int, body: bytes, now: float, location: str = "") -> Answer:
    """
    Say what an answer means. Never raises, never shows more of the body than its code.

    Args:
        now: wall time.
        location: where a redirect leads to.
    """
    found = refusal(status, body, location)
    return _token(_data(_decoded(body)), now) if found is None else found


def refusal(status: int, body: bytes, location: str = "") -> Answer | None:
    """Say what any signed call's answer means, None for SUCCESS. As `classify`."""
    answer = _decoded(body)
    codes, data = _codes(answer), _data(answer)
    if answer_words.check_page(_without_token(body, data)) or answer_words.check_page(location.encode()):
        return Risk()
    for says, meaning in _MEANING:
        if says(codes):
            return meaning
    if answer_words.slower(codes) or status in _SLOWER_STATUS:
        said = _unknown(codes) if codes else Reason("http_status", {"status": status})
        return Unknown(Reason("fewer_calls", {"of": said}), SLOWER)
    if status != 200:
        return Transient(Reason("http_status", {"status": status}))
    if answer is _NOT_JSON:
        return Transient(Reason("no_json"))
    if any(code.upper().startswith("SUCCESS") for code in codes):
        return None
    return Unknown(_unknown(codes))


class Said(msgspec.Struct, frozen=True):
    """What the service said to a call that is not the token's."""

    data: Any


class Declined(msgspec.Struct, frozen=True):
    """The service itself has judged the call and says no, in these words; what was asked for was not done."""

    words: str


def judged(status: int, body: bytes, location: str = "") -> Answer | Said | Declined:
    """
    Say what the answer to a call about items or orders means. Never raises.

    Of an answer that says SUCCESS only its addresses are looked at for a check: the rest are texts of people.
    """
    answer = _decoded(body)
    codes, data = _codes(answer), _data(answer)
    if status == 200 and codes and all(code.upper().startswith("SUCCESS") for code in codes):
        address = data.get("url") if isinstance(data, dict) else None
        places = f"{location} {address if isinstance(address, str) else ''}"
        return Risk() if answer_words.check_page(places.encode(errors="replace")) else Said(data)
    found = refusal(status, body, location)
    if isinstance(found, Unknown) and not found.wait and status == 200 and answer_words.declined(codes):
        return Declined(_short_words(codes))
    return Transient(Reason("no_json")) if found is None else found


def _short_words(codes: list[str]) -> str:
    return cut(" ".join(codes))


def _decoded(body: bytes) -> object:
    wrapped = _WRAPPED.fullmatch(body)
    try:
        return msgspec.json.decode(body if wrapped is None else wrapped[1])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NOT_JSON


def _data(answer: object) -> object:
    return answer.get("data") if isinstance(answer, dict) else None


def _without_token(body: bytes, data: object) -> bytes:
    """Return a body without its token, in whose letters words could stand by chance."""
    token = data.get("accessToken") if isinstance(data, dict) else None
    return body.replace(token.encode(), b"") if isinstance(token, str) and token else body


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


def words(body: bytes) -> str:
    """Return the codes of an answer, without their texts."""
    return " ".join(code.partition("::")[0] for code in _codes(_decoded(body))) or "none"


def odd_keys(body: bytes) -> list[str]:
    """Return the keys of an answer that no known one has, `data.` before those of its data."""
    answer = _decoded(body)
    if not isinstance(answer, dict):
        return []
    data = answer.get("data")
    inner = data.keys() - _DATA_KEYS if isinstance(data, dict) else set()
    return sorted(answer.keys() - _KEYS) + sorted(f"data.{key}" for key in inner)


def _unknown(codes: list[str]) -> Reason:
    """Return the first code's name, and nothing that could be a message's or a person's text."""
    match = re.match(r"\w{1,60}", codes[0], re.ASCII) if codes else None
    return Reason("unknown_answer", {"words": match.group()}) if match else Reason("codeless_answer")


def _token(data: Any, now: float) -> Answer:
    token = data.get("accessToken") if isinstance(data, dict) else None
    if not isinstance(token, str) or not token:
        return Unknown(Reason("no_token"))
    if len(token) > MAX_TOKEN:
        return Unknown(Reason("long_token", {"count": len(token), "most": MAX_TOKEN}))
    return Ok(Secret(unquote(token)), expiry(data.get("accessTokenExpiredTime"), now))
