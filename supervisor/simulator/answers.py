"""Answers what clients send over their sockets: beats, `/reg`, calls and acks, or fails to as a fault wants. Shell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from xyfleet.supervisor.simulator import payloads
from xyfleet.supervisor.simulator.accounts import Account
from xyfleet.supervisor.simulator.calls import SILENT, Calls, Refused
from xyfleet.supervisor.simulator.compose import CONVERSATION, ITEM, PEER, Wanted
from xyfleet.supervisor.simulator.connection import Connection
from xyfleet.supervisor.simulator.fault_kinds import Point, names
from xyfleet.supervisor.simulator.faults import Fault
from xyfleet.supervisor.simulator.gateway import Gateway
from xyfleet.supervisor.simulator.signing import APP_KEY_IM, DEVICE_ID, Token, read_token

_BEAT_FAULTS: Final = names(Point.BEAT)
_EARLY: Final = frozenset({"push_before_reg"})
_REG_FAULTS: Final = names(Point.REG) - _EARLY
_UNREGISTERED: Final = frozenset({"call_401"})
_REG_HEADERS: Final = ("cache-header", "app-key", "token", "ua", "dt", "wv", "sync", "did")

_INVALID: Final = "invalid token"
_UNEQUAL: Final = "device id or appkey is not equal"


class Frame(msgspec.Struct):
    """What a client may send. Headers are checked where they are used."""

    lwp: str | None = None
    code: Any = None
    headers: dict[str, Any] | None = None
    body: Any = None


_decode: Final = msgspec.json.Decoder(Frame).decode


class Answers:
    """Takes every frame in and answers it."""

    def __init__(self, gateway: Gateway, registered: Callable[[Connection], None]) -> None:
        self._gateway = gateway
        self._calls = Calls(gateway)
        self._registered = registered
        """Called after a good `/reg`."""

    def take(self, connection: Connection, text: str) -> None:
        """Handle one text frame."""
        try:
            frame = _decode(text)
        except (msgspec.MsgspecError, UnicodeEncodeError):
            self._counters(connection).bad_frames += 1
            return
        headers = frame.headers
        if connection.ending:
            return
        if headers is None or not isinstance(headers.get("mid"), str):
            self._counters(connection).bad_frames += 1
        elif frame.lwp is None:
            self._gateway.acked(connection, frame.code, headers)
        elif frame.lwp == "/!":
            self._beat(connection, headers["mid"])
        elif frame.lwp == "/reg":
            self._reg(connection, headers)
        else:
            connection.last_call = headers["mid"]
            self._call(connection, frame.lwp, headers["mid"], frame.body)

    def _counters(self, connection: Connection) -> Any:
        return connection.account.counters if connection.account else self._gateway.nobody

    # Heartbeats.

    def _beat(self, connection: Connection, mid: str) -> None:
        account = connection.account
        if account is None or connection.registered is None:
            connection.send(payloads.refused(mid, 401, "not auth"))
            return
        account.counters.beats += 1
        now = time.monotonic()
        fault = self._gateway.faults.strike(_BEAT_FAULTS, account.unb, now, opened=connection.opened)
        good = payloads.answer(mid, connection.sid)
        if fault is None:
            account.counters.answers += 1
            connection.send(good)
        elif fault.kind.name == "answer_with_body":
            account.counters.answers += 1
            connection.send({**good, "body": {"timestamp": int(now * 1000)}})
        else:
            self._spoil(connection, mid, fault)

    def _spoil(self, connection: Connection, mid: str, fault: Fault) -> None:
        """Answer a beat in a way that proves nothing."""
        sid = connection.sid
        match fault.kind.name:
            case "wrong_mid":
                number, blank, rest = mid.partition(" ")
                connection.send(payloads.answer(f"{number[::-1]}1{blank}{rest}", sid))
            case "late":
                good = payloads.answer(mid, sid)
                asyncio.get_running_loop().call_later(fault.params["seconds"], connection.send, good)
            case "non_200":
                connection.send(payloads.answer(mid, sid, fault.params["code"]))
            case "other_answer":
                body = {"messageId": "3900000000004.PNM"}
                connection.send(payloads.answer(connection.last_call, sid, body=body))
            case "mute":
                pass

    # Registration.

    def _reg(self, connection: Connection, headers: dict[str, Any]) -> None:
        now, mid = time.monotonic(), headers["mid"]
        token = read_token(headers.get("token"))
        device = DEVICE_ID.fullmatch(str(headers.get("did")))
        unb = token.unb if token else device["unb"] if device else None
        if unb is None:
            self._gateway.nobody.regs += 1
            connection.send(payloads.refused(mid, 401, _INVALID))
            return
        connection.last_call = mid
        account = self._gateway.identify(connection, unb)
        account.counters.regs += 1
        faults = self._gateway.faults
        if faults.strike(_EARLY, unb, now):
            self._gateway.push(connection, [self._gateway.compose(account, Wanted(text="早于登录应答")).item])
        issued = self._gateway.stamps.monotonic(token.issued) if token else None
        if fault := faults.strike(_REG_FAULTS, unb, now, issued=issued):
            self._refuse(connection, mid, fault)
        elif (reason := self._objection(token, headers, now)) is not None:
            connection.send(payloads.refused(mid, 401, reason))
        else:
            assert token is not None
            account.login(token.session)
            self._accept(connection, account, mid, now)

    def _refuse(self, connection: Connection, mid: str, fault: Fault) -> None:
        if fault.kind.name == "never_reg":
            return
        set_ = fault.params
        code = set_.get("code", 401)
        connection.send(payloads.refused(mid, code, set_["reason"], set_["field"], set_["where"]))
        if set_["close"] is not None:
            self._gateway.end(connection, set_["close"])

    def _objection(self, token: Token | None, headers: dict[str, Any], now: float) -> str | None:
        missing = [name for name in _REG_HEADERS if not isinstance(headers.get(name), str)]
        if missing:
            return f"missing header {missing[0]}"
        if token is None or token.expires <= self._gateway.stamps.next(now):
            return _INVALID
        if headers["app-key"] != APP_KEY_IM or not token.made_for(headers["did"]):
            return _UNEQUAL
        return None

    def _accept(self, connection: Connection, account: Account, mid: str, now: float) -> None:
        now_ms = self._gateway.clock_ms(account.unb, now)
        self._gateway.register(connection, account, now)
        connection.send(payloads.registered(mid, connection.sid, account.unb, now_ms))
        wait = self._gateway.options.list_wait
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._ready, connection, now)
        else:
            self._ready(connection, now)
        self._registered(connection)

    def _ready(self, connection: Connection, registered: float) -> None:
        """Push the first batch: from now on lists are answered, and there are clients that list as soon as it comes."""
        if connection.registered == registered and connection.account is not None:
            now_ms = self._gateway.clock_ms(connection.account.unb, time.monotonic())
            first = payloads.session_arouse(CONVERSATION, PEER, ITEM, now_ms)
            self._gateway.push(connection, [first], "/s/vulcan")

    # Calls.

    def _call(self, connection: Connection, lwp: str, mid: str, body: Any) -> None:
        account = connection.account
        if account is None or connection.registered is None:
            connection.send(payloads.refused(mid, 401, "not auth"))
            return
        account.counters.calls += 1
        if self._fault(_UNREGISTERED, connection, account):
            connection.send(payloads.refused(mid, 401, "not auth"))
            return
        try:
            code, answer = 200, self._calls.answer(lwp, connection, account, body)
        except Refused as refusal:
            code, answer = refusal.code, refusal.body
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            connection.send(payloads.refused(mid, 400, f"bad body: {error!r}"))
            return
        if answer is not SILENT:
            connection.send(payloads.answer(mid, connection.sid, code, answer))

    def _fault(self, kinds: frozenset[str], connection: Connection, account: Account) -> Fault | None:
        return self._gateway.faults.strike(kinds, account.unb, time.monotonic(), opened=connection.opened)
