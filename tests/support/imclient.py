"""A plain client of the IM protocol, written for tests on the websockets and aiohttp libraries alone."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import aiohttp
import websockets

from support.gateway import Gateway

ORIGIN = "https://www.goofish.com"
APP_KEY = "444e9908a51d1cb236a27862abc769c9"
UNB = "2200000000001"
OTHER = "2200000000002"


def device_id(unb: str) -> str:
    """Return a device id of the right form."""
    return f"673B2986-E590-421A-A8F9-28202BA25823-{unb}"


class Login:
    """A cookie and its token calls."""

    def __init__(self, gateway: Gateway, unb: str = UNB, cookie2: str = "sim-1") -> None:
        self.url = gateway.token_url
        self.unb = unb
        self.cookies = {"unb": unb, "cookie2": cookie2}

    async def call(self, data: str | None = None, **query: str) -> tuple[int, str]:
        """Make one token call, merge its cookies, and return status and text."""
        if data is None:
            data = json.dumps({"appKey": APP_KEY, "deviceId": device_id(self.unb)}, separators=(",", ":"))
        t = str(int(time.time() * 1000))
        key = self.cookies.get("_m_h5_tk", "").partition("_")[0]
        sign = hashlib.md5(f"{key}&{t}&34839810&{data}".encode()).hexdigest()
        params = {"appKey": "34839810", "api": "mtop.taobao.idlemessage.pc.login.token", "v": "1.0", "t": t}
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(
                self.url, params={**params, "sign": sign, **query}, data={"data": data}, headers={"Cookie": cookie}
            ) as response,
        ):
            text = await response.text()
            for line in response.headers.getall("Set-Cookie", []):
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
            return response.status, text

    async def ret(self, data: str | None = None, **query: str) -> str:
        """Make one token call and return what its first `ret` says."""
        _status, text = await self.call(data, **query)
        return str(json.loads(text)["ret"][0])

    async def token(self) -> str:
        """Return an access token; signs again when the signing cookie is old."""
        for _attempt in range(3):
            _status, text = await self.call()
            answer = json.loads(text)
            if answer["ret"][0].startswith("SUCCESS"):
                return unquote(answer["data"]["accessToken"])
        raise AssertionError(text)


class Client:
    """One socket."""

    def __init__(self, socket: websockets.ClientConnection, unb: str) -> None:
        self.socket = socket
        self.unb = unb
        self.error: websockets.ConnectionClosed | None = None
        """What `closed` met."""
        self._next = 0

    def mid(self) -> str:
        """Return a new mid."""
        self._next += 1
        return f"{self._next % 1000}{int(time.time() * 1000):013d} 0"

    async def send(self, lwp: str, body: object = None, **headers: str) -> str:
        """Send a request and return its mid."""
        mid = self.mid()
        frame: dict[str, Any] = {"lwp": lwp, "headers": {**headers, "mid": mid}}
        await self.socket.send(json.dumps(frame if body is None else {**frame, "body": body}))
        return mid

    async def receive(self, timeout: float = 5.0) -> dict[str, Any]:
        """Return the next frame."""
        frame: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), timeout))
        return frame

    async def answer(self, mid: str, timeout: float = 5.0) -> dict[str, Any]:
        """Return the answer to a request, skipping (and acking) pushes."""
        while True:
            frame = await self.receive(timeout)
            if "lwp" in frame:
                await self.ack(frame)
            elif frame["headers"]["mid"] == mid:
                return frame

    async def call(self, lwp: str, body: object = None, timeout: float = 5.0) -> dict[str, Any]:
        """Send a request and return its answer."""
        return await self.answer(await self.send(lwp, body), timeout)

    async def push(self, lwp: str = "/s/sync", timeout: float = 5.0) -> dict[str, Any]:
        """Return the next push of this path, skipping everything else; it is not acked."""
        while (frame := await self.receive(timeout)).get("lwp") != lwp:
            pass
        return frame

    async def ack(self, push: dict[str, Any]) -> None:
        """Ack a push."""
        copied = {
            name: push["headers"][name] for name in ("mid", "sid", "app-key", "ua", "dt") if name in push["headers"]
        }
        await self.socket.send(json.dumps({"code": 200, "headers": copied}))

    async def silent(self, seconds: float) -> bool:
        """Tell whether no frame comes for so long."""
        try:
            await asyncio.wait_for(self.socket.recv(), seconds)
        except TimeoutError:
            return True
        return False

    async def send_reg(self, token: str, **headers: str) -> str:
        """Send `/reg` and return its mid."""
        usual = {
            "cache-header": "app-key token ua wv",
            "app-key": APP_KEY,
            "token": token,
            "ua": "test",
            "dt": "j",
            "wv": "im:3,au:3,sy:6",
            "sync": "0,0;0;0;",
            "did": device_id(self.unb),
        }
        return await self.send("/reg", **{**usual, **headers})

    async def reg(self, token: str, **headers: str) -> dict[str, Any]:
        """Register and return the answer."""
        return await self.answer(await self.send_reg(token, **headers))

    async def closed(self, timeout: float = 5.0) -> int:
        """Read until the connection ends, and return the gateway's close code (1006 without a close frame)."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    await self.socket.recv()
        except websockets.ConnectionClosed as error:
            self.error = error
            assert self.socket.close_code is not None
            return self.socket.close_code

    async def gave_up(self, timeout: float = 5.0) -> int:
        """Read until the connection ends, and return the code of our own close frame."""
        await self.closed(timeout)
        sent = self.socket.protocol.close_sent
        assert sent is not None
        return int(sent.code)


@asynccontextmanager
async def dial(gateway: Gateway, unb: str = UNB, **more: Any) -> AsyncIterator[Client]:
    """Open a socket, not registered."""
    options: dict[str, Any] = {"origin": ORIGIN, "compression": None, "ping_interval": None, "max_size": 8 << 20}
    async with websockets.connect(gateway.endpoint, proxy=None, close_timeout=1, **{**options, **more}) as socket:
        yield Client(socket, unb)


@asynccontextmanager
async def connected(gateway: Gateway, unb: str = UNB, token: str | None = None, **more: Any) -> AsyncIterator[Client]:
    """Open a socket and register; the first batch is acked."""
    async with dial(gateway, unb, **more) as client:
        answer = await client.reg(token or await Login(gateway, unb).token())
        assert answer["code"] == 200, answer
        await client.ack(await client.push("/s/vulcan"))
        yield client
