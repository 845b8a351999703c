"""What the gateway answers to calls on a registered connection: sends, lists, conversations, recalls. Shell."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from xyfleet.supervisor.simulator import payloads
from xyfleet.supervisor.simulator.accounts import Account
from xyfleet.supervisor.simulator.compose import ITEM, Wanted
from xyfleet.supervisor.simulator.connection import Connection
from xyfleet.supervisor.simulator.faults import Fault
from xyfleet.supervisor.simulator.gateway import Gateway
from xyfleet.supervisor.simulator.mailbox import RECALL_TIME, Message, listed

SILENT: Final = object()
"""Stands for no answer at all."""
_CALL_FAULTS: Final = frozenset({"call_refused", "call_silent"})
_SEND_FAULTS: Final = frozenset({"send_rejected", "send_busy", "send_silent"})
_BUSY: Final = {"reason": "闲鱼走神了，您稍后再试～", "code": "EXCEPTION", "scope": "IMPaaSApp"}
_NO_LATER: Final = {"code": "400600001"}


class Refused(Exception):
    """A call is answered with this code and body instead of 200."""

    def __init__(self, code: int, body: object) -> None:
        self.code = code
        self.body = body
        super().__init__(code)


class Calls:
    """Answers calls. A method returns the body of a good answer, raises `Refused`, or says that the body is bad."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def answer(self, lwp: str, connection: Connection, account: Account, body: Any) -> object:
        """
        Return the body of the answer, or `SILENT`.

        Raises:
            Refused: with another code than 200.
            TypeError, ValueError, KeyError, IndexError, AttributeError: the body is none that this call takes.
        """
        handler = _CALLS.get(lwp)
        if handler is None:
            raise Refused(404, {"reason": f"unknown lwp {lwp}"})
        fault = self._call_fault(lwp, connection, account)
        if fault is not None and fault.kind.name == "call_refused":
            raise Refused(fault.params["code"], {"reason": fault.params["reason"]})
        if fault is not None and not fault.params["done"]:
            return SILENT
        answer = handler(self, connection, account, body)
        return answer if fault is None else SILENT

    def _call_fault(self, lwp: str, connection: Connection, account: Account) -> Fault | None:
        """Return the newest fault in force that means this call, and count the strike."""
        now, opened = time.monotonic(), connection.opened
        for fault in self._gateway.faults.in_force(_CALL_FAULTS, account.unb, now, opened=opened):
            if fnmatchcase(lwp, fault.params["lwp"]):
                fault.strikes += 1
                return fault
        return None

    def _fault(self, kinds: frozenset[str], connection: Connection, account: Account) -> Fault | None:
        return self._gateway.faults.strike(kinds, account.unb, time.monotonic(), opened=connection.opened)

    def _now(self, account: Account) -> int:
        return self._gateway.clock_ms(account.unb, time.monotonic())

    def _get_state(self, connection: Connection, account: Account, body: Any) -> object:
        if body[0]["topic"] != "sync":
            raise ValueError("topic")
        if self._fault(frozenset({"zombie"}), connection, account):
            return SILENT
        return payloads.sync_state(self._gateway.clock_ms(account.unb, time.monotonic()))

    def _ack_diff(self, connection: Connection, account: Account, body: Any) -> object:
        int(body[0]["pts"])
        return None

    def _send(self, connection: Connection, account: Account, body: Any) -> object:
        fault = self._fault(_SEND_FAULTS, connection, account)
        if fault is not None and fault.kind.name == "send_silent":
            return SILENT
        if fault is not None and fault.kind.name == "send_rejected":
            reason = fault.params["reason"]
            return {"reason": reason, "moreInfo": f"CSI_FORBID||{reason}"}
        if fault is not None:
            return {"reason": fault.params["reason"]}
        uuid = str(body[0]["uuid"])
        before = account.mailbox.sent_before(uuid)
        if before is not None:
            account.counters.uuid_repeats += 1
            kept = account.mailbox.find(before)
            return {"messageId": before} if kept is None else _answered(kept, uuid)
        echo = self._gateway.compose(account, _sent(body, account.unb))
        assert echo.message is not None
        account.counters.sends += 1
        account.mailbox.note_sent(uuid, echo.id)
        asyncio.get_running_loop().call_soon(self._gateway.push, connection, [echo.item])
        return _answered(echo.message, uuid)

    def _conversations(self, connection: Connection, account: Account, body: Any) -> object:
        if self._too_soon(connection, account):
            return _NO_LATER
        cursor, limit = body
        return account.mailbox.conversations(account.unb, int(cursor), int(limit))

    def _history(self, connection: Connection, account: Account, body: Any) -> object:
        if self._too_soon(connection, account):
            return _NO_LATER
        conversation, _forward, cursor, limit, _more = body
        return account.mailbox.history(str(conversation), int(cursor), int(limit))

    def _too_soon(self, connection: Connection, account: Account) -> bool:
        assert connection.registered is not None
        age = time.monotonic() - connection.registered
        fault = self._fault(frozenset({"flow_control"}), connection, account)
        return fault is not None or age < self._gateway.options.list_wait

    # Conversations.

    def _create(self, connection: Connection, account: Account, body: Any) -> object:
        """Open a talk. Whether a pair that has one is refused is not settled; the one capture shows 500."""
        (wanted,) = body
        pair = [str(wanted[side]).removesuffix("@goofish") for side in ("pairFirst", "pairSecond")]
        peer = pair[1 - pair.index(account.unb)]
        item = str(wanted.get("extension", {}).get("itemId") or ITEM)
        opened = account.mailbox.open(account.unb, peer, item, self._now(account))
        if opened is not None:
            return opened
        if self._gateway.options.strict:
            raise Refused(500, _BUSY)
        return account.mailbox.talk_with(account.unb, peer, item)

    def _by_cids(self, connection: Connection, account: Account, body: Any) -> object:
        (cids,) = body
        return {"userConvs": account.mailbox.by_cids(account.unb, [str(cid) for cid in cids])}

    def _top(self, connection: Connection, account: Account, body: Any) -> object:
        int(body[0]["topRank"])
        return {"userConvs": [], "hasMore": 0}

    def _newest(self, connection: Connection, account: Account, body: Any) -> object:
        _start, limit = body
        if self._too_soon(connection, account):
            return _NO_LATER
        return account.mailbox.conversations(account.unb, 1 << 53, int(limit))["userConvs"]

    def _read(self, connection: Connection, account: Account, body: Any) -> object:
        (ids,) = body
        for message in map(account.mailbox.find, map(str, ids)):
            if message is not None:
                message.read = True
        return None

    def _clear_red_point(self, connection: Connection, account: Account, body: Any) -> object:
        (talks,) = body
        return self._read(connection, account, [[talk["messageId"] for talk in talks]])

    def _recall(self, connection: Connection, account: Account, body: Any) -> object:
        (message_id,) = body
        return self._take_back(connection, account, str(message_id))

    def _recall_by_feature(self, connection: Connection, account: Account, body: Any) -> object:
        _nothing, message_id, feature = body
        int(feature["operatorType"])
        return self._take_back(connection, account, str(message_id))

    def _take_back(self, connection: Connection, account: Account, message_id: str) -> object:
        """Recall an own message that is young enough. The words of a refusal are made up."""
        message, now = account.mailbox.find(message_id), self._now(account)
        if message is None or message.sender != account.unb:
            raise Refused(400, {"reason": "只能撤回自己的消息"})
        if now - message.time > RECALL_TIME:
            raise Refused(400, {"reason": "消息已超过可撤回时间"})
        message.recalled = now
        item = payloads.recall(message_id, message.conversation, now)
        asyncio.get_running_loop().call_soon(self._gateway.push, connection, [item])
        return None


_CALLS: Final[dict[str, Callable[[Calls, Connection, Account, Any], object]]] = {
    "/r/SyncStatus/getState": Calls._get_state,
    "/r/SyncStatus/ackDiff": Calls._ack_diff,
    "/r/MessageSend/sendByReceiverScope": Calls._send,
    "/r/Conversation/listNewestPagination": Calls._conversations,
    "/r/Conversation/listNewest": Calls._newest,
    "/r/Conversation/listTop": Calls._top,
    "/r/Conversation/getByCids": Calls._by_cids,
    "/r/Conversation/clearRedPoint": Calls._clear_red_point,
    "/r/SingleChatConversation/create": Calls._create,
    "/r/MessageManager/listUserMessages": Calls._history,
    "/r/MessageManager/recallMessage": Calls._recall,
    "/r/MessageManager/recallMessageByFeature": Calls._recall_by_feature,
    "/r/MessageStatus/read": Calls._read,
}


def _answered(message: Message, uuid: str) -> dict[str, Any]:
    """Return what a good send is answered: the whole message, as the page gets it."""
    return {**listed(message), "uuid": uuid, "unreadCount": 1, "msgStatus": 1}


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
    text = said["text"]["text"] if said["contentType"] == 1 else "[消息]"
    return Wanted(type="echo", text=text, content=said, conversation=talk, peer=peer, name="卖家乙")
