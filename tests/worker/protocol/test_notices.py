"""Cards and orders in all their forms: none is only unknown, each says whose talk it is of, and who wrote it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.pushes import ME, chat, frame_body, item, one, packed
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.protocol.items import listed, pushed

URL = "fleamarket://message_chat?itemId=900000000001&peerUserId=3300000000777&sid=61000000001&messageId=0&adv=no"
TASK = '{"sourceId":"C2C:1","taskName":"已发货_卖家","materialId":"1","taskId":"1"}'
PERSON = '{"sourceId":"S:1","messageId":"0123456789abcdef0123456789abcdef"}'
FLAT: dict[str, Any] = {
    "1": "1000000000011.PNM",
    "2": "61000000001@goofish",
    "3": 1,
    "4": {
        "reminderContent": "[已付款，待发货]",
        "redReminder": "等待卖家发货",
        "reminderTitle": "交易消息",
        "senderUserId": "3300000000777",
        "reminderUrl": URL,
        "bizTag": TASK,
        "sessionType": "1",
        "extJson": "{}",
    },
    "5": 1767225660130,
}


@pytest.mark.parametrize("number", [40000, 40105, None])
def test_flat_card(number: int | None) -> None:
    """A changed card comes flat: id, conversation, notice; it is a card with all that a nested one has (X1)."""
    found = one(FLAT, number)

    assert (found.kind, found.id, found.conversation) == ("card", "1000000000011.PNM", "61000000001")
    assert (found.text, found.sender, found.item) == ("[已付款，待发货]", "3300000000777", "900000000001")
    assert (found.time, found.own, found.platform, found.peer) == (1767225660130, False, True, "3300000000777")
    assert found.update_id is not None
    assert found.update_id.startswith("1000000000011.PNM:")


@pytest.mark.parametrize("change", [{"1": 1}, {"2": None}, {"1": None, "2": None}, {"5": "x"}, {"3": 0}])
def test_flat_card_with_parts_missing(change: dict[str, Any]) -> None:
    """Whatever is missing around it, a notice with a reminder is a card; its address tells the conversation (X1)."""
    found = one(FLAT | change, 40105)

    assert (found.kind, found.text, found.conversation) == ("card", "[已付款，待发货]", "61000000001")


def test_order_says_its_conversation() -> None:
    """An order's notice without an id of its own has its conversation in `1` (X2)."""
    found = one({"1": "61000000001@goofish", "2": 1, "3": {"redReminder": "等待卖家发货"}})

    assert (found.kind, found.conversation, found.text, found.about) == ("order", "61000000001", "等待卖家发货", None)


def test_order_about_a_message() -> None:
    """One that names a message is of that message's conversation, which the inbox knows (X2)."""
    found = one({"1": "1000000000011.PNM", "2": 1, "3": {"redReminder": "等待卖家发货"}, "4": 1767225600130})

    assert (found.conversation, found.about, found.time) == (None, "1000000000011.PNM", 1767225600130)


def test_order_with_people() -> None:
    """The short form has its people and its item in `4` (X2)."""
    people = {"senderUserId": "3300000000777", "reminderUrl": URL}
    found = one({"1": "61000000001@goofish", "3": {"redReminder": "等待卖家发货"}, "4": people})
    context = one({"1": "6@goofish", "3": {"redReminder": "x", "extUserId": "33", "itemId": "9"}, "4": 1767225600130})

    assert (found.sender, found.peer, found.item) == ("3300000000777", "3300000000777", "900000000001")
    assert (context.sender, context.item) == ("33", "9")


def own_chat(**head: Any) -> IncomingItem:
    """Return a message in this account's own name, with some keys of its notice changed."""
    payload = chat()
    payload["1"]["10"] |= {"senderUserId": ME} | head.pop("notice", {})
    payload["1"] |= {key[1:]: value for key, value in head.items()}
    return one(payload)


@pytest.mark.parametrize(
    "head",
    [
        {"_7": 1},
        {"_6": {"101": 1, "3": {"4": 26, "5": '{"contentType":26,"dxCard":{"item":{}}}'}}},
        {"_6": {"101": 1, "3": {"4": 14, "5": '{"contentType":14,"tip":{"tip":"[你已发货]"}}'}}},
        {"_6": {"101": 1, "3": {"4": 6, "5": '{"contentType":6,"dxCard":{}}'}}},
        {"notice": {"bizTag": TASK}},
        {"notice": {"bizTag": "SECURITY"}},
    ],
)
def test_what_the_platform_wrote_in_our_name(head: dict[str, Any]) -> None:
    """A card, a tip or a task in the seller's name is the platform's, not a person's (X4)."""
    found = own_chat(**head)

    assert (found.own, found.platform) == (True, True)


@pytest.mark.parametrize("notice", [{}, {"bizTag": PERSON}, {"bizTag": 7}, {"bizTag": ""}])
def test_what_a_person_wrote(notice: dict[str, Any]) -> None:
    """What somebody typed is a person's, with the tag that persons' messages have (X4)."""
    assert not own_chat(notice=notice).platform


def test_groups() -> None:
    """A group's session type tells it, in a push and in a listing (X6)."""
    payload = chat()
    payload["1"]["10"]["sessionType"] = "30"
    message = {"messageId": "1.PNM", "extension": {"sessionType": "30", "senderUserId": "33"}}
    found = listed({"message": message}, "5", None, ME)

    assert one(payload).group
    assert not one(chat()).group
    assert found is not None
    assert found.group


def test_who_is_at_the_other_end() -> None:
    """`peerUserId` of the notice's address tells it, unless it is this account itself (X7)."""
    payload = chat()
    payload["1"]["10"] = {"reminderUrl": URL, "reminderContent": "对方已下单"}
    ours = chat()
    ours["1"]["10"]["reminderUrl"] = f"x?peerUserId={ME}"

    assert (one(payload).peer, one(ours).peer) == ("3300000000777", None)


def test_a_flat_card_beside_others() -> None:
    """It costs those beside it nothing."""
    found = pushed(frame_body(item(packed(FLAT), 40105), item(packed(chat()))), ME)

    assert [each.kind for each in found] == ["card", "text"]


def pushed_at(position: object, *payloads: object) -> list[str]:
    """Return the ids of what a push at this position brings."""
    body = json.loads(frame_body(*(item(packed(payload)) for payload in payloads)))
    body["syncPushPackage"]["maxPts"] = position
    return [found.id for found in pushed(json.dumps(body).encode(), ME)]


def test_a_second_order_is_not_the_first() -> None:
    """Notices that say the same without a time are told apart by their push; a second copy is the same (X2)."""
    notice = {"1": "61000000001@goofish", "2": 1, "3": {"redReminder": "等待卖家发货"}}
    first, other = pushed_at(5, notice, notice)

    assert first != other
    assert pushed_at(5, notice, notice) == [first, other]
    assert pushed_at(6, notice) != [first]
    assert len(pushed_at(["odd"] * 500, notice)) == 1


def test_a_notice_that_names_its_order() -> None:
    """It is one for each state of the order, whatever push brings it."""
    notice: dict[str, Any] = {
        "1": "6@goofish",
        "2": 1,
        "3": {"redReminder": "等待卖家发货", "orderId": 5100000000000000001},
    }
    later = {**notice, "3": {**notice["3"], "redReminder": "交易成功"}, "4": 1767225600130}

    assert pushed_at(5, notice) == pushed_at(6, {**notice, "4": 1767225600130})
    assert pushed_at(5, later) != pushed_at(5, notice)
