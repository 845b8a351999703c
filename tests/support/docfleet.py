"""The small made-up fleet whose answers docs/api.md shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.inboxes import HANDLED, NOW, store, write
from support.standin import StandIn, account, failed
from xyfleet.supervisor.supervision.account_state import Process
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.talks import TalkAnswer
from xyfleet.worker.protocol.message import Message
from xyfleet.worker.protocol.shop import Item, Order, OrderPage, Shipped
from xyfleet.worker.protocol.talk_calls import ListedTalk
from xyfleet.worker.reasons import Reason

WHEN = 1767323045.0


def documented(folder: Path) -> StandIn:
    """Return the fleet of the document's examples."""
    because = Reason("session_expired")
    reason = str(because)
    why: dict[str, Any] = {"reason": reason, "because": because}
    one = StandIn(
        folder,
        [account("shop-001", tags=("phones",)), failed("shop-002", Cause.AUTH, Process.NEEDS_LOGIN, **why)],
    )
    last = Message(
        account="shop-001",
        id="3842.PNM",
        conversation="60123",
        item="8123",
        sender="2200000000099",
        sender_name="小王",
        kind="text",
        text="还有货吗？",
        content_type=1,
        time="2026-01-02T03:04:06.000Z",
    )
    talk = ListedTalk(
        conversation="60123",
        peer="2200000000099",
        peer_name="小王",
        item="8123",
        item_title="测试商品",
        unread=1,
        last=last,
    )
    one.talked = TalkAnswer(state="done", talks=[talk], messages=[last], conversation="60123", count=2)
    one.log_folder = Path("/home/li/state/logs")
    one.events.add("state", "shop-002", time=WHEN, old="CONNECTING", new="RECONNECTING", cause="auth", **why)
    one.events.add("state", "shop-002", time=WHEN, old="RECONNECTING", new="FAILED", cause="auth", **why)
    one.events.add("refresh", "shop-002", time=WHEN, new="needs_login", cause="auth")
    one.answers = _answers()
    with store(folder, "shop-001") as inbox:
        write(inbox, "3841.PNM", item="8123", sender="2200000000099", now=NOW)
        rules, text = HANDLED, "还有货吗？"
        row = write(inbox, "3842.PNM", item="8123", sender="2200000000099", text=text, now=NOW + 1000, rules=rules)
        for calls in range(4):
            inbox.begin(row, calls)
            inbox.again(row, NOW)
        inbox.give_up(row, "failed", "it raised ValueError")
    return one


def _answers() -> dict[str, Any]:
    """Return what the platform says of items and orders."""
    return {
        "item8123": Item(
            id="8123",
            title="会员月卡",
            price="12.50",
            description="自动发货",
            stock=7,
            seller="2200000000001",
            status="在线",
        ),
        "order5100000000000000001": Order(
            id="5100000000000000001",
            item="8123",
            title="会员月卡",
            spec="时长:月",
            amount="12.50",
            buyer="2200000000099",
            buyer_name="小王",
            status="paid",
            status_text="待发货",
            time="2026-01-02T03:04:05.000Z",
        ),
        "orders2": OrderPage(orders=[], more=False),
        "ship5100000000000000001": Shipped(order="5100000000000000001"),
        "call": {"itemId": "8123"},
    }
