"""A token endpoint inside a test: says what the test wants, in the order it wants it, and remembers every call."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import time
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from xyfleet.supervisor.credentials import cookies


@dataclass
class Answer:
    """One answer. `delay` is seconds; `hang_up` closes the connection instead."""

    ret: str | list[str] = "SUCCESS::ok"
    token: str | None = "tok%2Babc"
    life: object = "86400000"
    set_cookie: list[str] = field(default_factory=list)
    status: int = 200
    body: bytes | None = None
    delay: float = 0.0
    hang_up: bool = False


@dataclass
class Call:
    """What the server saw."""

    cookie: dict[str, str]
    data: str
    headers: dict[str, str]
    at: float
    """Monotonic."""
    signed: bool
    """Whether the signature fits cookie, time and data."""


class TokenServer:
    """Speaks HTTP on a free port of 127.0.0.1. Without a planned answer it gives a token, a new one each time."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.plan: deque[Answer] = deque()
        self.calls: list[Call] = []
        self.most = 0
        """Most calls that were open at one time."""
        self._open = 0
        self._issued = 0
        self._tls = tls
        app = web.Application()
        app.router.add_post("/token/", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self.url = ""

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"{'http' if self._tls is None else 'https'}://127.0.0.1:{port}/token/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def say(self, *answers: Answer) -> None:
        """Plan the next answers."""
        self.plan.extend(answers)

    async def _answer(self, request: web.Request) -> web.Response:
        self._open += 1
        self.most = max(self.most, self._open)
        try:
            self.calls.append(await _seen(request))
            planned = bool(self.plan)
            answer = self.plan.popleft() if planned else Answer()
            await asyncio.sleep(answer.delay)
        finally:
            self._open -= 1
        if answer.hang_up:
            assert request.transport is not None
            request.transport.close()
        return self._response(answer)

    def _response(self, answer: Answer) -> web.Response:
        data: dict[str, Any] = {}
        if answer.token is not None:
            self._issued += 1
            data = {"accessToken": f"{answer.token}-{self._issued}", "accessTokenExpiredTime": answer.life}
        ret = [answer.ret] if isinstance(answer.ret, str) else answer.ret
        body = json.dumps({"ret": ret, "data": data}).encode() if answer.body is None else answer.body
        response = web.Response(status=answer.status, body=body)
        for value in answer.set_cookie:
            response.headers.add("Set-Cookie", value)
        return response


async def _seen(request: web.Request) -> Call:
    form = await request.post()
    data = str(form["data"])
    pairs = cookies.parse(request.headers.get("Cookie", ""))
    token = pairs.get("_m_h5_tk", "").partition("_")[0]
    right = hashlib.md5(f"{token}&{request.query['t']}&34839810&{data}".encode()).hexdigest()
    return Call(pairs, data, dict(request.headers), time.monotonic(), request.query["sign"] == right)
