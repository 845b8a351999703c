"""The kinds of fault that the gateway knows, each with where it strikes and what can be set. Pure.

The table for people, with every word explained, is in docs/simulator.md; a test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from xyfleet.supervisor.common.i18n import _

Check = Callable[[object], Any]
"""Returns the value in its final form, or raises ValueError with a text for people."""


class Point(StrEnum):
    """Where a fault strikes."""

    DIAL = "dial"
    """A WebSocket handshake. Nobody has said yet which account it is."""
    LISTEN = "listen"
    """The listening socket."""
    REG = "reg"
    BEAT = "beat"
    CALL = "call"
    """Any other request on the socket."""
    TOKEN = "token"
    ASK = "ask"
    """A signed call about items and orders."""
    PUSH = "push"
    """What the gateway says by itself: its time, and what becomes of pushes."""
    ACT = "act"
    """Something done to a connection at one moment."""
    SPAN = "span"
    """Something done to a connection from one moment to another."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault."""

    name: str
    point: Point
    params: Mapping[str, tuple[Check, Any]]
    """Check and default of each setting of its own; a default of `...` means that it must be given."""
    connections: str = "all"
    """Default of `connections`: `live`, `new` or `all`."""
    after: float = 0.0
    """Default of `after`, for ACT and SPAN."""

    @property
    def acts(self) -> bool:
        """Whether it does something to connections by itself, instead of changing an answer."""
        return self.point in (Point.ACT, Point.SPAN)

    @property
    def chooses_connections(self) -> bool:
        """Whether `connections` has a meaning."""
        return self.acts or self.point in (Point.BEAT, Point.CALL)


def seconds(value: object) -> float:
    """Accept a finite number of seconds, zero or more."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(_("must be a number of seconds, zero or more"))
    return float(value)


def number(value: object) -> float:
    """Accept a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(_("must be a number"))
    return float(value)


def positive(value: object) -> float:
    """Accept a finite number above zero."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise ValueError(_("must be a number above zero"))
    return float(value)


def whole(low: int, high: int) -> Check:
    """Accept whole numbers from `low` to `high`."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(_("must be a whole number from %(low)s to %(high)s") % {"low": low, "high": high})
        return value

    return check


def text(value: object) -> str:
    """Accept a text."""
    if not isinstance(value, str):
        raise ValueError(_("must be a text"))
    return value


def flag(value: object) -> bool:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise ValueError(_("must be true or false"))
    return value


def one_of(*choices: str) -> Check:
    """Accept one of these words."""

    def check(value: object) -> str:
        if value not in choices:
            raise ValueError(_("must be one of: %(choices)s") % {"choices": ", ".join(choices)})
        return str(value)

    return check


def ending(value: object) -> int | str:
    """
    Accept the way a connection ends: a close code, `none` (TCP end without close frame) or `reset` (TCP RST).

    1005 is a close frame without a code; 1006 is what a client sees without a close frame, hence `none`.
    """
    if value in ("none", 1006):
        return "none"
    if value == "reset":
        return "reset"
    if isinstance(value, int) and not isinstance(value, bool):
        if value == 1004 or not (1000 <= value <= 1014 or 3000 <= value <= 4999):
            raise ValueError(_("no close frame may carry %(code)s") % {"code": value})
        return value
    raise ValueError(_("must be a close code, none or reset"))


def _optional(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


_REASON: Final[dict[str, tuple[Check, Any]]] = {
    "field": (one_of("reason", "message", "msg", "ret", "moreInfo", "error", "error-message"), "reason"),
    "where": (one_of("body", "headers"), "body"),
    "close": (_optional(ending), None),
}
_CALLS: Final[dict[str, tuple[Check, Any]]] = {"lwp": (text, "*")}
"""Which calls are meant: a pattern."""
_SYSTEM_ERROR: Final = "system is error"
_DEAD: Final = "FAIL_SYS_SESSION_EXPIRED::Session过期"
RISK_FORMS: Final = ("ret", "one", "rrxvv", "flag", "page", "redirect", "url")
"""How a check is asked for: two entries of `ret` or one, another word, JSON without `ret`, a page, a redirect to it,
its address beside SUCCESS."""

KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("refuse", Point.LISTEN, {}, connections="new"),
        Kind("half_open", Point.DIAL, {}),
        Kind("http_status", Point.DIAL, {"status": (whole(400, 599), 503)}),
        Kind("never_reg", Point.REG, {}),
        Kind("push_before_reg", Point.REG, {}),
        Kind("reg_401", Point.REG, {"reason": (text, "invalid token"), "once": (flag, False), **_REASON}),
        Kind("reg_limit", Point.REG, {"reason": (text, "connect limit"), "code": (whole(201, 999), 400), **_REASON}),
        Kind("reg_other", Point.REG, {"reason": (text, _SYSTEM_ERROR), "code": (whole(201, 999), 500), **_REASON}),
        Kind("mute", Point.BEAT, {}),
        Kind("wrong_mid", Point.BEAT, {}),
        Kind("late", Point.BEAT, {"seconds": (seconds, ...)}),
        Kind("non_200", Point.BEAT, {"code": (whole(201, 999), 500)}),
        Kind("answer_with_body", Point.BEAT, {}),
        Kind("other_answer", Point.BEAT, {}),
        Kind("zombie", Point.CALL, {}),
        Kind("flow_control", Point.CALL, {}),
        Kind("call_401", Point.CALL, {}),
        Kind("send_rejected", Point.CALL, {"reason": (text, "安全拦截")}),
        Kind("send_busy", Point.CALL, {"reason": (text, "闲鱼走神了")}),
        Kind("send_silent", Point.CALL, {}),
        Kind("call_refused", Point.CALL, {**_CALLS, "reason": (text, "闲鱼走神了"), "code": (whole(200, 999), 500)}),
        Kind("call_silent", Point.CALL, {**_CALLS, "done": (flag, False)}),
        Kind("clock", Point.PUSH, {"seconds": (number, ...)}),
        Kind("ack_or_drop", Point.PUSH, {"seconds": (positive, 3.0)}),
        Kind("session_expired", Point.TOKEN, {"logins": (flag, False), "ret": (text, _DEAD)}),
        Kind("risk", Point.TOKEN, {"form": (one_of(*RISK_FORMS), "ret")}),
        Kind("renewal", Point.TOKEN, {"answer": (one_of("check", "refused", "risk"), "check")}),
        Kind("token_ret", Point.TOKEN, {"ret": (text, ...)}),
        Kind("sign_expired", Point.TOKEN, {"once": (flag, True)}),
        Kind("token_garbage", Point.TOKEN, {"body": (text, "<html>")}),
        Kind("token_http", Point.TOKEN, {"status": (whole(300, 599), 502)}),
        Kind("token_slow", Point.TOKEN, {"seconds": (seconds, ...)}),
        Kind("token_quoted", Point.TOKEN, {}),
        Kind("token_without_token", Point.TOKEN, {}),
        Kind("token_key", Point.TOKEN, {"key": (text, "novelty")}),
        Kind("token_ttl", Point.TOKEN, {"seconds": (positive, ...)}),
        Kind("ask_slow", Point.ASK, {"seconds": (seconds, ...)}),
        Kind("ask_http", Point.ASK, {"status": (whole(300, 599), 502)}),
        Kind("ask_risk", Point.ASK, {"form": (one_of(*RISK_FORMS), "ret")}),
        Kind("ask_ret", Point.ASK, {"ret": (text, ...)}),
        Kind("ask_lost", Point.ASK, {}),
        Kind("close", Point.ACT, {"code": (ending, 1000)}, connections="live"),
        Kind("reset", Point.ACT, {}, connections="live"),
        Kind("drop", Point.ACT, {"how": (ending, "none")}, connections="all", after=1.0),
        Kind("reg_then_close", Point.ACT, {"code": (ending, 1000)}, connections="new"),
        Kind("kickout", Point.ACT, {"close": (_optional(ending), 1000)}, connections="live"),
        Kind("session_remove", Point.ACT, {"close": (_optional(ending), 1000)}, connections="live"),
        Kind("message", Point.ACT, {"text": (text, "你好，还在吗")}, connections="live"),
        Kind("duplicate", Point.ACT, {}, connections="live"),
        Kind("items32", Point.ACT, {"items": (whole(1, 1000), 32)}, connections="live"),
        Kind("big_frame", Point.ACT, {"size": (whole(1, 64 << 20), 5 << 20)}, connections="live"),
        Kind(
            "garbage_frame", Point.ACT, {"what": (one_of("text", "utf8", "frame", "binary", "shape"), "text")}, "live"
        ),
        Kind("stall", Point.SPAN, {}),
        Kind("push_storm", Point.SPAN, {"rate": (positive, 100.0)}),
    )
}


def names(*points: Point) -> frozenset[str]:
    """Return the names of all kinds that strike at these points."""
    return frozenset(kind.name for kind in KINDS.values() if kind.point in points)
