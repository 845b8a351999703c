"""
Seven programs of others, as one client: header set, order of frames, decoder.

Each row is named after the public client whose habits it has, and holds facts of it, no code: which headers its
handshake has, what it makes of a token, what it sends first, which headers its acks copy, how it reads payloads.
All of them must get in, beat, ack, read and send.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
import websockets

from outsiders.old_reader import OldReader, Unknown
from support.gateway import Gateway
from support.imclient import APP_KEY, ORIGIN, UNB, Client, Login, device_id

AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36"
)
UA = f"{AGENT} DingTalk(2.1.5) OS(Windows/10) Browser(Chrome/133.0.0.0) DingWeb/2.1.5 IMPaaS DingWeb/2.1.5"
BOT_HEADERS = {
    "Host": "wss-goofish.dingtalk.com",
    "Connection": "Upgrade",
    "Pragma": "no-cache",
    "Cache-Control": "no-cache",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "zh-CN,zh;q=0.9",
}
"""What four of them give a library that sends `Host` and `Connection` itself, so that both go out twice."""
PEER, ORDER = "3300000000002", "5100000000000000001"


def read_new(data: bytes) -> Any:
    """Read with a library of today."""
    return msgspec.msgpack.decode(data, strict=False)


def read_old(data: bytes) -> Any:
    """Read with the old forms only."""
    return OldReader(data).read()


@dataclass(frozen=True)
class Habits:
    """What one client does."""

    headers: dict[str, str] = field(default_factory=dict)
    named: bool = True
    """Whether the handshake has Origin and User-Agent."""
    cookie: bool = False
    """Whether it sends its cookie over the socket too."""
    decodes: bool = False
    """Whether it URL-decodes the token, as the page does."""
    device: str = device_id(UNB)
    blanks: bool = True
    """Whether its JSON has blanks."""
    sync: str = "now"
    """After /reg: `now` declares all seen, `state` asks first, `none` says nothing."""
    first_ack: bool = True
    """Whether it acks /s/vulcan."""
    copies: tuple[str, ...] | None = ("mid", "sid", "app-key", "ua", "dt")
    """Headers that an ack has; None: all."""
    read: Callable[[bytes], Any] = read_new
    custom_type: int = 1
    pair: str = "peer first"


CLIENTS = {
    "xianyu-auto-reply d1d1075": Habits(headers=BOT_HEADERS, cookie=True, read=read_old),
    "xianyu-auto-reply main": Habits(headers=BOT_HEADERS, cookie=True, read=read_old),
    "XianyuAutoAgent": Habits(headers=BOT_HEADERS, cookie=True),
    "XianYuApis": Habits(headers=BOT_HEADERS, cookie=True, custom_type=2, read=read_old),
    "goofish-cli": Habits(headers=BOT_HEADERS, cookie=True, custom_type=2),
    "goofish-client": Habits(
        named=False,
        device="673B2986-E590-421A-A8F9-28202BA25823-1767225600000",
        blanks=False,
        sync="state",
        first_ack=False,
        copies=None,
        pair="sorted",
    ),
    "Ydisks-Xianyu-Helper": Habits(decodes=True, blanks=False, sync="none", copies=None, pair="sorted"),
}


@pytest.fixture(scope="module")
def door() -> Iterator[Gateway]:
    """A gateway whose first batch comes soon, and with it the answers to lists."""
    with Gateway("--list-wait", "0.2") as running:
        yield running


class Outsider:
    """One client at work."""

    def __init__(self, socket: websockets.ClientConnection, habits: Habits) -> None:
        self.client = Client(socket, UNB)
        self.habits = habits

    async def send(self, frame: dict[str, Any]) -> None:
        """Send a frame in its own spelling of JSON."""
        await self.client.socket.send(json.dumps(frame, separators=None if self.habits.blanks else (",", ":")))

    async def call(self, lwp: str, body: object = None, **headers: str) -> dict[str, Any]:
        """Send a request; ack what comes before its answer."""
        mid = self.client.mid()
        frame: dict[str, Any] = {"lwp": lwp, "headers": {**headers, "mid": mid}}
        await self.send(frame if body is None else {**frame, "body": body})
        while True:
            came = await self.client.receive()
            if "lwp" in came:
                await self.ack(came)
            elif came["headers"]["mid"] == mid:
                return came

    async def ack(self, push: dict[str, Any]) -> None:
        """Ack a push as this client does."""
        if push["lwp"] == "/s/vulcan" and not self.habits.first_ack:
            return
        names = push["headers"] if self.habits.copies is None else self.habits.copies
        await self.send(
            {"code": 200, "headers": {name: push["headers"][name] for name in names if name in push["headers"]}}
        )

    async def push(self, lwp: str) -> dict[str, Any]:
        """Return the next push of a path, acked."""
        push = await self.client.push(lwp)
        await self.ack(push)
        return push

    async def register(self, token: str) -> int:
        """Send /reg and what this client sends right after it."""
        usual = {"cache-header": "app-key token ua wv", "app-key": APP_KEY, "ua": UA, "dt": "j", "wv": "im:3,au:3,sy:6"}
        answer = await self.call("/reg", **usual, token=token, sync="0,0;0;0;", did=self.habits.device)
        now = int(time.time() * 1000)
        if self.habits.sync == "now":
            state = {"pipeline": "sync", "tooLong2Tag": "PNM,1", "channel": "sync", "topic": "sync"}
            position = {"highPts": 0, "pts": now * 1000, "seq": 0, "timestamp": now}
            await self.call("/r/SyncStatus/ackDiff", [state | position])
        elif self.habits.sync == "state":
            state = (await self.call("/r/SyncStatus/getState", [{"topic": "sync"}]))["body"]
            await self.call("/r/SyncStatus/ackDiff", [state])
        return int(answer["code"])

    async def say(self, content: dict[str, Any], number: int) -> dict[str, Any]:
        """Send a message."""
        data = base64.b64encode(json.dumps(content).encode()).decode()
        message = {
            "uuid": f"-{int(time.time() * 1000)}{number}",
            "cid": "51000000001@goofish",
            "conversationType": 1,
            "content": {"contentType": 101, "custom": {"type": self.habits.custom_type, "data": data}},
            "redPointPolicy": 0,
            "extension": {"extJson": "{}"},
            "ctx": {"appVersion": "1.0", "platform": "web"},
            "mtags": {},
            "msgReadStatusSetting": 1,
        }
        scope = {"actualReceivers": [f"{PEER}@goofish", f"{UNB}@goofish"]}
        return await self.call("/r/MessageSend/sendByReceiverScope", [message, scope])

    def payloads(self, push: dict[str, Any]) -> list[Any]:
        """Return what the items of a push hold, read as this client reads."""
        items = push["body"]["syncPushPackage"]["data"]
        return [self.habits.read(base64.b64decode(item["data"])) for item in items]


async def token_of(gateway: Gateway, habits: Habits) -> str:
    """Return an access token as this client makes one of the call's answer."""
    login = Login(gateway)
    wish = json.dumps({"appKey": APP_KEY, "deviceId": habits.device}, separators=(",", ":"))
    assert (await login.ret(wish)).startswith("FAIL_SYS_TOKEN_EMPTY")
    _status, text = await login.call(wish)
    token = str(json.loads(text)["data"]["accessToken"])
    return unquote(token) if habits.decodes else token


@pytest.mark.parametrize("name", CLIENTS)
async def test_client_gets_in_beats_acks_reads_and_sends(door: Gateway, name: str) -> None:
    """Nothing that it sends is counted as bad, and what it reads are the words and the order that were pushed."""
    door.reset()
    habits = CLIENTS[name]
    headers = dict(habits.headers)
    if habits.cookie:
        headers["Cookie"] = f"unb={UNB}; cookie2=sim-1"
    identity = {"origin": ORIGIN, "user_agent_header": AGENT} if habits.named else {"user_agent_header": None}
    token = await token_of(door, habits)
    async with websockets.connect(
        door.endpoint, proxy=None, compression=None, additional_headers=headers, close_timeout=1, **identity
    ) as socket:
        outsider = Outsider(socket, habits)
        assert await outsider.register(token) == 200
        assert (await outsider.call("/!"))["code"] == 200
        await outsider.push("/s/vulcan")
        listed = await outsider.call("/r/Conversation/listNewestPagination", [9007199254740991, 50])
        assert listed["body"]["userConvs"] == []

        said = "买家的一句话，比三十一个字节长得多，足以用上长的字符串形式"
        items = [{"type": "text", "text": said}, {"type": "card", "status": "paid", "order": ORDER}]
        door.push(UNB, items=items)
        text, card = outsider.payloads(await outsider.push("/s/sync"))
        assert text[1][10]["reminderContent"] == said
        assert f"id={ORDER}&" in card[1][6][3][5]

        assert "messageId" in (await outsider.say({"contentType": 1, "text": {"text": "您好"}}, 1))["body"]
        picture = {"height": 1, "type": 0, "url": "https://example.invalid/p.jpg", "width": 1}
        assert "messageId" in (await outsider.say({"contentType": 2, "image": {"pics": [picture]}}, 2))["body"]
        pair = [f"{PEER}@goofish", f"{UNB}@goofish"]
        first, second = sorted(pair) if habits.pair == "sorted" else pair
        talk = {"pairFirst": first, "pairSecond": second, "bizType": "1", "extension": {"itemId": "900000000009"}}
        assert (await outsider.call("/r/SingleChatConversation/create", [talk]))["code"] == 200
        door.until(lambda: door.stats(UNB)["acks"] >= 3, "acks")

    figures = door.stats(UNB)
    assert (figures["regs_ok"], figures["answers"], figures["sends"]) == (1, 1, 2)
    assert (figures["bad_frames"], figures["bad_acks"], door.stats()["refused"]) == (0, 0, 0)


def test_old_reader_knows_no_new_form() -> None:
    """Else the rows above would prove nothing."""
    with pytest.raises(Unknown):
        read_old(msgspec.msgpack.encode("x" * 40))
