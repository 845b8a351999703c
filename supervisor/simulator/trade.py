"""The cards and notices of an order, in the shapes that were captured or described (docs/protocol.md, "Orders"). Pure.

Who acted is the sender: a card about our own shipping comes with our own user id.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from xyfleet.supervisor.simulator.mailbox import Message, Trade, reminder_url


class Stage(NamedTuple):
    """What the platform says at one stage of an order."""

    text: str
    """The reminder, in brackets."""
    title: str
    headline: str
    red: str
    """The `redReminder`."""
    task: str
    """`taskName` of a seller's card."""
    key: str = ""
    """Last parts of the `updateKey`; empty: none is known."""
    content_type: int = 26
    own: bool = False
    """Whether the seller acted."""


STAGES: Final[dict[str, Stage]] = {
    "created": Stage(
        "[我已拍下，待付款]",
        "我已拍下，待付款",
        "买家已拍下，待付款",
        "等待买家付款",
        "已拍下_未付款_卖家",
        "1_not_pay_seller",
    ),
    "paid": Stage(
        "[我已付款，等待你发货]",
        "我已付款，等待你发货",
        "买家已付款",
        "等待卖家发货",
        "付款完成待发货_卖家",
        "63:TRADE_PAID_DONE_SELLER:26",
    ),
    "shipped": Stage("[你已发货]", "你已发货", "你已发货", "等待买家收货", "已发货_卖家", content_type=14, own=True),
    "received": Stage(
        "[买家确认收货，交易成功]", "买家已确认收货，交易成功", "买家已确认收货，交易成功", "交易成功", "交易成功_卖家"
    ),
    "reviewed": Stage(
        "[我完成了评价]", "我完成了评价", "我完成了评价", "有新交易评价", "买家评价_卖家", "10:BUYER_RATE_SELLER:26"
    ),
    "refunding": Stage(
        "[我发起了退款申请]", "我发起了退款申请", "我发起了退款申请", "买家申请退款", "发起退款申请_卖家-新逆向url"
    ),
    "refunded": Stage(
        "[退款成功，钱款已原路退返]", "退款成功", "退款成功", "交易关闭", "退款成功_卖家", content_type=14
    ),
    "closed": Stage(
        "[未付款，你关闭了订单]", "你关闭了订单", "你关闭了订单", "交易关闭", "关闭订单_卖家", content_type=14, own=True
    ),
}
"""Captured: created, paid, and the words of reviewed and refunding. The others' envelope and task name are guesses."""

Json = dict[str, Any]


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def content(message: Message, trade: Trade) -> Json:
    """Return what the card shows: a `dxCard` with the order's address, or a tip, which names no order."""
    stage, mark = STAGES[trade.status], _mark(message)
    if stage.content_type == 14:
        page = {
            "actionName": "查看",
            "url": f"fleamarket://item?id={message.item}",
            "utName": "MsgTips",
            "utParams": mark,
        }
        return {"contentType": 14, "tip": {"tip": message.text, "action": {"actionType": 4, "page": page}}}
    main = {
        "clickParam": {"arg1": "MsgCard", "args": mark},
        "exContent": {"bgColor": "#FFFFFF", "title": stage.title, "desc": "", "descColor": "#999999"},
        "targetUrl": f"fleamarket://order_detail?id={trade.order}&role=seller",
    }
    template = {"name": "idlefish_message_trade_chat_card", "url": "https://example.invalid/t.zip", "version": "1"}
    return {"contentType": 26, "dxCard": {"item": {"main": main}, "template": template}}


def _mark(message: Message) -> Json:
    return {"task_id": "TASK1", "source": "im", "msg_id": message.hex_id}


def _notice(message: Message, trade: Trade, me: str) -> Json:
    """Return what stands in `1.10` of a card, and in `4` of a card's update."""
    stage = STAGES[trade.status]
    tip = stage.content_type == 14
    more = {"msgArg1": "MsgTips" if tip else "MsgCard", "msgArgs": _mark(message), "messageId": message.hex_id}
    extra: Json = {**({} if tip else {"quickReply": "1"}), **more, "contentType": str(stage.content_type)}
    if stage.key:
        extra["updateKey"] = f"{message.conversation}:{trade.order}:{stage.key}"
    task = {"sourceId": "C2C:TASK1", "taskName": message.task, "materialId": "TASK1", "taskId": "TASK1"}
    return {
        "bizTag": _compact(task),
        "closePushReceiver": "false",
        "closeUnreadNumber": "false",
        "detailNotice": message.text,
        "extJson": _compact(extra),
        "receiver": me,
        "redReminder": stage.red,
        "redReminderStyle": "1",
        "reminderContent": message.text,
        "reminderNotice": stage.headline,
        "reminderTitle": stage.headline,
        "reminderUrl": reminder_url(message),
        "senderUserId": message.sender,
        "senderUserType": "0",
        "sessionType": "1",
        "updateHead": "true",
    }


def payload(message: Message, trade: Trade) -> Json | dict[int, Any]:
    """Return the payload of a card, in one of its two envelopes."""
    said = {1: "", 2: message.text, 3: "", 4: message.content_type, 5: _compact(message.content or {})}
    head: dict[int, Any] = {1: {1: f"{message.sender}@goofish"}, 2: f"{message.conversation}@goofish", 3: message.id}
    notice = _notice(message, trade, message.owner)
    push = {"needPush": "false" if message.content_type == 14 else "true"}
    if trade.form == "nested":
        inner = {**head, 4: f"{message.owner}@goofish", 5: str(message.time), 6: {1: 101, 3: said}, 10: notice, 12: 1}
        return {1: {1: inner, 7: 1}, 3: push}
    rest = {4: 0, 5: message.time, 6: {1: 101, 3: said}, 7: 1, 8: 1, 9: 0, 10: notice, 12: 1}
    return {1: head | rest, 3: push}


def update(message: Message, trade: Trade) -> dict[int, Any]:
    """Return the payload that changes a card sent before: `message.id` is that card's."""
    notice = _notice(message, trade, message.owner)
    button = {"text": "已付款", "targetUrl": f"fleamarket://order_detail?id={trade.order}&role=seller"}
    notice["_CONTENT_MAP_UPDATE_PRE_dxCard.item.main.exContent.button"] = _compact(button)
    return {1: message.id, 2: f"{message.conversation}@goofish", 3: 1, 4: notice, 5: message.time}


def context(message: Message, trade: Trade) -> dict[int, Any]:
    """Return the payload that names an order's people and item."""
    about = {
        "extUserId": message.sender,
        "itemId": message.item,
        "itemSellerId": message.owner,
        "itemTitle": "测试商品",
        "orderId": trade.order,
        "ownerUserId": message.owner,
        f"squadId_{message.owner}": message.item,
    }
    return {1: f"{message.conversation}@goofish", 2: 1, 3: about, 4: message.time}
