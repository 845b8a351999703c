"""Answers what clients send over their sockets: beats, `/reg`, calls and acks, or fails to as a fault wants. Shell."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from xyfleet.supervisor.simulator import payloads
from xyfleet.supervisor.simulator.accounts import Account
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
_SEND_FAULTS: Final = frozenset({"send_rejected", "send_busy", "send_silent"})
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
        first = payloads.session_arouse(CONVERSATION, PEER, ITEM, now_ms)
        self._gateway.push(connection, [first], "/s/vulcan")
        self._registered(connection)

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
        handler = _CALLS.get(lwp)
        try:
            answer = handler(self, connection, account, body) if handler else {"reason": f"unknown lwp {lwp}"}
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            connection.send(payloads.refused(mid, 400, f"bad body: {error!r}"))
            return
        if answer is not _SILENT:
            code = 200 if handler else 404
            connection.send(payloads.answer(mid, connection.sid, code, answer))

    def _fault(self, kinds: frozenset[str], connection: Connection, account: Account) -> Fault | None:
        return self._gateway.faults.strike(kinds, account.unb, time.monotonic(), opened=connection.opened)

    def _get_state(self, connection: Connection, account: Account, body: Any) -> object:
        if body[0]["topic"] != "sync":
            raise ValueError("topic")
        if self._fault(frozenset({"zombie"}), connection, account):
            return _SILENT
        return payloads.sync_state(self._gateway.clock_ms(account.unb, time.monotonic()))

    def _ack_diff(self, connection: Connection, account: Account, body: Any) -> object:
        int(body[0]["pts"])
        return None

    def _send(self, connection: Connection, account: Account, body: Any) -> object:
        fault = self._fault(_SEND_FAULTS, connection, account)
        if fault is not None and fault.kind.name == "send_silent":
            return _SILENT
        if fault is not None and fault.kind.name == "send_rejected":
            reason = fault.params["reason"]
            return {"reason": reason, "moreInfo": f"CSI_FORBID||{reason}"}
        if fault is not None:
            return {"reason": fault.params["reason"]}
        uuid = str(body[0]["uuid"])
        before = account.mailbox.sent_before(uuid)
        if before is not None:
            account.counters.uuid_repeats += 1
            return {"messageId": before}
        echo = self._gateway.compose(account, _sent(body, account.unb))
        account.counters.sends += 1
        account.mailbox.note_sent(uuid, echo.id)
        asyncio.get_running_loop().call_soon(self._gateway.push, connection, [echo.item])
        return {"messageId": echo.id}

    def _conversations(self, connection: Connection, account: Account, body: Any) -> object:
        if self._too_soon(connection, account):
            return {"code": "400600001"}
        cursor, limit = body
        return account.mailbox.conversations(account.unb, int(cursor), int(limit))

    def _history(self, connection: Connection, account: Account, body: Any) -> object:
        if self._too_soon(connection, account):
            return {"code": "400600001"}
        conversation, _forward, cursor, limit, _more = body
        return account.mailbox.history(str(conversation), int(cursor), int(limit))

    def _too_soon(self, connection: Connection, account: Account) -> bool:
        assert connection.registered is not None
        age = time.monotonic() - connection.registered
        fault = self._fault(frozenset({"flow_control"}), connection, account)
        return fault is not None or age < self._gateway.options.list_wait


_SILENT: Final = object()
"""Stands for no answer at all."""

_CALLS: Final[dict[str, Callable[[Answers, Connection, Account, Any], object]]] = {
    "/r/SyncStatus/getState": Answers._get_state,
    "/r/SyncStatus/ackDiff": Answers._ack_diff,
    "/r/MessageSend/sendByReceiverScope": Answers._send,
    "/r/Conversation/listNewestPagination": Answers._conversations,
    "/r/MessageManager/listUserMessages": Answers._history,
}


def _sent(body: Any, me: str) -> Wanted:
    """Read what a client wants to send, as the echo that it will get of it."""
    message, scope = body
    if not (message["uuid"].startswith("-") and message["uuid"][1:].isdigit()):
        raise ValueError("uuid")
    try:
        said = msgspec.json.decode(base64.b64decode(message["content"]["custom"]["data"], validate=True))
    except (binascii.Error, msgspec.MsgspecError) as error:
        raise ValueError("content.custom.data") from error
    receivers = [str(one).removesuffix("@goofish") for one in scope["actualReceivers"]]
    peer = next(one for one in [*receivers, "0"] if one != me)
    talk = message["cid"].removesuffix("@goofish")
    return Wanted(type="echo", text=said["text"]["text"], conversation=talk, peer=peer, name="卖家乙")
