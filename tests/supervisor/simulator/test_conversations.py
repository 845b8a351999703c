"""S6, S7: calls beside text sends and lists, as public clients make them."""

from __future__ import annotations

import base64
import json
from typing import Any

from support.gateway import Gateway
from support.imclient import OTHER, UNB, Client, connected

ME, PEER = f"{UNB}@goofish", "3300000000002@goofish"
ITEM = "900000000009"


async def send(client: Client, content: dict[str, Any], number: int) -> dict[str, Any]:
    """Send a message of any content and return the answer's body."""
    data = base64.b64encode(json.dumps(content).encode()).decode()
    message = {
        "uuid": f"-{number}",
        "cid": "51000000001@goofish",
        "content": {"contentType": 101, "custom": {"type": 1, "data": data}},
    }
    answer = await client.call("/r/MessageSend/sendByReceiverScope", [message, {"actualReceivers": [PEER, ME]}])
    assert answer["code"] == 200
    body: dict[str, Any] = answer["body"]
    return body


def create(first: str, second: str) -> list[dict[str, Any]]:
    """Return the body of a call that opens a talk."""
    return [{"pairFirst": first, "pairSecond": second, "bizType": "1", "extension": {"itemId": ITEM}, "ctx": {}}]


async def test_image_is_kept_as_it_was_sent(gateway: Gateway) -> None:
    """S7: any content type is taken, comes back as the echo, and stands in the history."""
    image = {
        "contentType": 2,
        "image": {"pics": [{"height": 4, "type": 0, "url": "https://example.invalid/p", "width": 3}]},
    }
    async with connected(gateway) as client:
        answer = await send(client, image, 11)
        odd = await send(client, {"contentType": 6, "textCard": {"title": "t", "content": "c"}}, 12)
        history = await client.call(
            "/r/MessageManager/listUserMessages", ["51000000001@goofish", False, 1 << 53, 20, False]
        )

    listed = history["body"]["userMessageModels"]
    assert [one["message"]["messageId"] for one in listed] == [odd["messageId"], answer["messageId"]]
    assert json.loads(base64.b64decode(listed[1]["message"]["content"]["custom"]["data"])) == image
    assert answer["searchableContent"] == {"summary": "[图片]"}  # S13: the whole message comes back


async def test_talk_is_opened_once_and_found(gateway: Gateway) -> None:
    """S6: in either order of the pair; opened again it is the same talk, and nothing was said in it."""
    async with connected(gateway) as client:
        first = await client.call("/r/SingleChatConversation/create", create(ME, PEER))
        again = await client.call("/r/SingleChatConversation/create", create(PEER, ME))
        cid = first["body"]["singleChatConversation"]["cid"]
        found = await client.call("/r/Conversation/getByCids", [[cid, "1@goofish"]])

    assert first["body"] == again["body"]
    assert [one["singleChatUserConversation"]["visible"] for one in found["body"]["userConvs"]] == [0]
    assert gateway.messages(UNB) == []


async def test_talk_that_there_is_can_be_refused() -> None:
    """The one capture there is shows 500 for a second `create`: so it is with --strict."""
    with Gateway("--strict", "--list-wait", "0") as strict:
        async with connected(strict) as client:
            codes = [(await client.call("/r/SingleChatConversation/create", create(ME, PEER)))["code"] for _ in "12"]

    assert codes == [200, 500]


async def test_own_message_is_recalled_in_both_forms(gateway: Gateway) -> None:
    """S6: a push tells of it, the history keeps it without its words; somebody else's stays."""
    feature = {"showRecallStatusSetting": 1, "operatorType": 0, "operatorUid": UNB, "code": "200", "extension": {}}
    async with connected(gateway) as client:
        ids = [
            (await send(client, {"contentType": 1, "text": {"text": "x"}}, number))["messageId"] for number in (1, 2)
        ]
        foreign = gateway.push(UNB, "hi")["ids"][0]
        old = await client.call("/r/MessageManager/recallMessage", [ids[0]])
        new = await client.call("/r/MessageManager/recallMessageByFeature", [{}, ids[1], feature])
        refused = await client.call("/r/MessageManager/recallMessage", [foreign])

    assert [old["code"], new["code"], refused["code"]] == [200, 200, 400]
    assert [bool(one["recalled"]) for one in gateway.messages(UNB)] == [True, True, False]


async def test_read_takes_the_red_point_away(gateway: Gateway) -> None:
    """S6: MessageStatus/read and clearRedPoint."""
    async with connected(gateway) as client:
        first, second = gateway.push(UNB, "a", "b")["ids"]
        before = await client.call("/r/Conversation/listNewest", [0, 50])
        await client.call("/r/MessageStatus/read", [[first]])
        await client.call("/r/Conversation/clearRedPoint", [[{"cid": "51000000001@goofish", "messageId": second}]])
        after = await client.call("/r/Conversation/listNewestPagination", [1 << 53, 50])
        top = await client.call("/r/Conversation/listTop", [{"topRank": 1 << 53}])

    talks = [before["body"][0], after["body"]["userConvs"][0]]
    assert [talk["singleChatUserConversation"]["redPoint"] for talk in talks] == [1, 0]
    assert talks[0]["singleChatUserConversation"]["lastMessage"]["message"]["messageId"] == second
    assert top["body"]["userConvs"] == []


async def test_accounts_are_apart(gateway: Gateway) -> None:
    """Nobody opens a talk for a pair that he is not in."""
    async with connected(gateway) as client:
        answer = await client.call("/r/SingleChatConversation/create", create(f"{OTHER}@goofish", PEER))

    assert answer["code"] == 400
