"""Orders in every known shape: which one, what became of it, whose it is; and nothing from what a person typed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.places import TESTS
from support.pushes import ME, chat, one, traded, values
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.items import again, listed

ORDERS: list[dict[str, Any]] = json.loads((TESTS / "vectors" / "orders.json").read_text("utf-8"))["payloads"]
ORDER, BUYER, TALK = "5100000000000000001", "3300000000002", "51000000001"


def sample(name: str) -> dict[str, Any]:
    """Return a fresh copy of a sample's payload, by the beginning of its name."""
    (found,) = (each["payload"] for each in ORDERS if each["sample"].startswith(name))
    copy: dict[str, Any] = json.loads(json.dumps(found))
    return copy


def card(content: dict[str, Any], **notice: Any) -> IncomingItem:
    """Return a platform's card with this content, and a notice that says nothing else."""
    payload = sample("2 ")
    payload["1"]["10"] = {"senderUserId": BUYER, **notice}
    payload["1"]["6"]["3"] |= {"2": "", "5": json.dumps(content)}
    return one(payload)


def main(**parts: Any) -> dict[str, Any]:
    """Return a content whose card has these parts."""
    return {"contentType": 26, "dxCard": {"item": {"main": parts}}}


@pytest.mark.parametrize("each", ORDERS, ids=lambda each: each["sample"][:20])
@pytest.mark.parametrize("number", [40000, 40105, None])
def test_each_known_shape(each: dict[str, Any], number: int | None) -> None:
    """Each shape says its order, state, role, buyer, conversation and content type (D1-D4, S11, S12, X1, X2)."""
    found = one(each["payload"], number)

    assert {name: getattr(found, name) for name in each["want"]} == each["want"]
    assert found.platform


@pytest.mark.parametrize("name", ["1 ", "2 ", "5 ", "6 ", "7 ", "8 "])
def test_listed_cards_say_the_same(name: str) -> None:
    """A card that catching up finds has the fields of a pushed one."""
    head = sample(name)["1"]
    said = json.loads(head["6"]["3"]["5"])
    custom = {"type": head["6"]["3"]["4"], "data": base64.b64encode(json.dumps(said).encode()).decode()}
    message = {"messageId": head["3"], "extension": head["10"], "content": {"custom": custom}}
    found, packed = (
        listed({"message": message | {"extension": extension}}, TALK, None, ME)
        for extension in (head["10"], json.dumps(head["10"]))
    )

    assert found is not None
    assert packed is not None
    assert traded(found) == traded(packed) == traded(one(sample(name)))


@pytest.mark.parametrize("each", ORDERS, ids=lambda each: each["sample"][:20])
def test_stored_payloads_say_the_same(each: dict[str, Any]) -> None:
    """What an older version stored is read again to the same, with no more than the payload."""
    stored, found = again(each["payload"], ME), one(each["payload"])

    assert stored is not None
    assert (traded(stored), stored.conversation) == (traded(found), found.conversation)


@pytest.mark.parametrize(
    ("content", "order"),
    [
        (main(targetUrl=f"fleamarket://order_detail?itemId=9&id={ORDER}&role=Buyer"), ORDER),
        (
            main(exContent={"button": {"targetUrl": f"fleamarket://adjust_price?flutter=true&bizOrderId={ORDER}"}}),
            ORDER,
        ),
        (
            main(exContent={"button": {"targetUrl": f"https://h5.example/noPostageRequired?kun=true&orderId={ORDER}"}}),
            ORDER,
        ),
        (main(exContent={"orderId": int(ORDER)}), ORDER),
        (main(exContent={"orderId": ORDER}), ORDER),
        (
            {"contentType": 26, "dynamicOperation": {"changeContent": main(targetUrl=f"x://order_detail?id={ORDER}")}},
            ORDER,
        ),
        (main(exContent={"orderId": 9007199254740993}), "9007199254740993"),
        (main(targetUrl="https://www.goofish.com/order-detail?orderId=" + ORDER), ORDER),
        (main(targetUrl=f"fleamarket://item_detail?id={ORDER}"), None),
        (main(targetUrl=f"fleamarket://item?id={ORDER}"), None),
        (main(exContent={"orderId": 5.1e18}), None),
        (main(exContent={"orderId": True}), None),
        (main(targetUrl=7, exContent=[]), None),
    ],
)
def test_where_an_order_is_named(content: dict[str, Any], order: str | None) -> None:
    """An order's id is found wherever a card has it, digit by digit; an item's id is none (D3)."""
    assert card(content).order == order


@pytest.mark.parametrize("beside", [False, True])
def test_order_of_an_update_key(beside: bool) -> None:
    """The update key names order and conversation, in the notice's extra or beside it."""
    key = f"{TALK}:{ORDER}:64:trade_paid_done_seller:26"
    notice = {"updateKey": key} if beside else {"extJson": json.dumps({"updateKey": key})}
    found = card({"contentType": 26}, **notice)

    assert (found.order, found.order_status) == (ORDER, "paid")
    assert card({"contentType": 26}, updateKey=f"{TALK}:sys_want_red_flower").order is None


@pytest.mark.parametrize(
    ("shown", "red", "status"),
    [
        ("[已付款，待发货]", "", "paid"),
        ("[买家已付款]", "", "paid"),
        ("我已成功小刀，待发货", "", "paid"),
        ("我已小刀，待刀成", "等待卖家发货", None),
        ("[我已修改价格，等待你付款]", "等待买家付款", None),
        ("[记得及时发货]", "", None),
        ("[你已发货，请等待买家确认收货]", "", "shipped"),
        ("物流已签收", "", "shipped"),
        ("[买家确认收货，交易成功]", "", "received"),
        ("快给ta一个评价吧～", "", None),
        ("[卖家同意退款]", "", "refunding"),
        ("我将「退货退款」修改为「退款」", "", "refunding"),
        ("[退款成功，钱款已原路退返]", "交易关闭", "refunded"),
        ("[未付款，你关闭了订单]", "交易关闭", "closed"),
        ("超时未付款，系统关闭了订单", "", "closed"),
        ("", "交易关闭", "closed"),
        ("", "付款完成待发货", "paid"),
        ("可以送我闲鱼小红花吗～", "", None),
        ("[安全提醒] 对方说买家已付款时请先核实", "", None),
        ("退款关闭", "", None),
    ],
)
def test_states(shown: str, red: str, status: str | None) -> None:
    """The platform's words, whole, are the state; its own text stays beside it."""
    found = card({"contentType": 26}, reminderContent=shown, redReminder=red)

    assert (found.order_status, found.text) == (status, shown)


@pytest.mark.parametrize(("button", "status"), [("已同意", "refunding"), ("已撤销", None), ("已拒绝", None)])
def test_a_refund_that_comes_to_nothing(button: str, status: str | None) -> None:
    """A request that was withdrawn or refused leaves the order as it was."""
    content = main(exContent={"title": "我发起了退款申请", "button": {"text": button}})

    assert card(content, redReminder="买家申请退款").order_status == status


@pytest.mark.parametrize(
    "typed", ["[我已付款，等待你发货]", "买家已付款", "等待卖家发货", "[退款成功，钱款已原路退返]"]
)
@pytest.mark.parametrize("content_type", [1, 2, 6])
def test_nothing_that_a_person_typed_is_a_state(typed: str, content_type: int) -> None:
    """Whatever a person writes, with whatever notice, it is about no order."""
    payload = chat()
    payload["1"]["10"] |= {"reminderContent": typed, "redReminder": "等待卖家发货", "bizTag": '{"sourceId":"S:1"}'}
    url = f"fleamarket://order_detail?id={ORDER}&role=seller"
    said = {
        "contentType": content_type,
        "text": {"text": f"{typed} {url}"},
        "textCard": {"title": typed, "targetUrl": url},
    }
    payload["1"]["6"]["3"] |= {"2": typed, "4": content_type, "5": json.dumps(said)}
    found = one(payload)

    assert traded(found) == dict.fromkeys(traded(found), None) | {"content_type": content_type}
    assert not found.platform


@pytest.mark.parametrize("name", ["1 ", "2 ", "3 "])
def test_a_card_of_a_persons_own_making(name: str) -> None:
    """What comes as a person's (`1.7` = 2) is about no order, also with all that the platform's card has."""
    payload = sample(name)
    head = payload["1"]
    assert head["7"] == 1
    assert one(payload).order is not None
    head["7"] = 2
    found = one(payload)

    assert (found.order, found.order_status, found.role, found.buyer) == (None, None, None, None)


def test_a_persons_message_that_changed() -> None:
    """A flat notice with a person's tag is a person's words, also when they are those of a paid order."""
    payload = sample("9 ")
    payload["4"] |= {"bizTag": '{"sourceId":"S:1","messageId":"0"}'}
    found = one(payload)

    assert (found.order, found.order_status) == (None, None)


def test_an_update_says_the_new_state() -> None:
    """A changed card's key and `detailNotice` are of what it was; reminder and button are what it is (D2)."""
    payload = sample("9 ")
    payload["4"] |= {"redReminder": "", "reminderContent": "x", "extJson": payload["4"]["extJson"]}
    title = one(
        payload | {"4": payload["4"] | {"_CONTENT_MAP_UPDATE_PRE_dxCard.item.main.exContent.title": "你已发货"}}
    )

    assert (one(payload).order, one(payload).order_status) == (ORDER, "paid")
    assert title.order_status == "shipped"


def test_who_buys() -> None:
    """The buyer is this account where it buys, else who is at the other end; a seller's own act names nobody."""
    ours = main(targetUrl=f"fleamarket://order_detail?id={ORDER}&role=buyer")

    assert (card(ours).role, card(ours).buyer) == ("buyer", ME)
    assert (card(main(targetUrl=f"x://order_detail?id={ORDER}&role=SELLER")).role) == "seller"
    assert card({"contentType": 26}, bizTag='{"taskName":"付款完成待发货_买家"}').role == "buyer"
    assert card({"contentType": 26}, senderUserId=ME, reminderContent="[你已发货]").buyer is None


def test_context_of_an_order_where_we_buy() -> None:
    """The item's seller is somebody else: this account is the buyer."""
    payload = sample("10b")
    payload["3"] |= {"itemSellerId": BUYER, "extUserId": ME}

    assert (one(payload).role, one(payload).buyer, one(payload).order) == ("buyer", ME, ORDER)


def test_a_headline_is_no_name() -> None:
    """The title of a platform's message is a headline, nobody's name (D3)."""
    assert one(sample("1 ")).sender_name is None
    assert one(chat()).sender_name == "买家甲"


@given(st.sampled_from(ORDERS), st.data())
def test_parts_of_any_type(each: dict[str, Any], data: st.DataObject) -> None:
    """Whatever stands in a card's places costs at most what it would have said."""
    payload = json.loads(json.dumps(each["payload"]))
    places = (
        [payload["1"], payload["1"].get("10", {})] if isinstance(payload["1"], dict) else [payload["4"], payload["3"]]
    )
    for place in (place for place in places if isinstance(place, dict) and place):
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(values)
    again(payload, ME)
