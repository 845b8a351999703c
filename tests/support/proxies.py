"""Real little proxies for tests: SOCKS5 and HTTP CONNECT, with a password or none, working or refusing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from types import TracebackType
from typing import Literal, Self

Mode = Literal["pass", "refuse", "mute", "hang up", "reset", "garbage"]


class TinyProxy:
    """
    A proxy on a free port of 127.0.0.1.

    Args:
        kind: What it speaks.
        mode: `pass` connects; `refuse` says no; `mute` never answers; `hang up` and `reset` end the connection;
            `garbage` answers with nonsense.
        login: `user:password` that it asks for.
    """

    def __init__(
        self,
        kind: Literal["socks5", "http"],
        mode: Mode = "pass",
        login: str | None = None,
    ) -> None:
        self.asked: list[tuple[str, int]] = []
        """Host and port of each request, in the client's words."""
        self._kind = kind
        self._mode = mode
        self._login = login
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Its address, as accounts.yml has it."""
        assert self._server is not None
        login = "" if self._login is None else f"{self._login}@"
        return f"{self._kind}://{login}127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def become(self, mode: Mode) -> None:
        """Be of another mode from now on; what goes through it now ends."""
        self._mode = mode
        for task in list(self._tasks):
            task.cancel()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # The client left, or the test is over.
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "reset":
            return
        if self._mode in ("hang up", "garbage"):
            await reader.read(1000)  # Unread data would turn the close into a reset.
            writer.write(b"\xff" * 500 if self._mode == "garbage" else b"")
            writer.close()
            await writer.wait_closed()
            return
        if self._mode == "mute":
            await asyncio.sleep(60)
        target = await (self._socks5(reader, writer) if self._kind == "socks5" else self._http(reader, writer))
        if target is None:
            return
        self.asked.append(target)
        if self._mode == "refuse":
            refusal = b"\x05\x05\x00\x01\0\0\0\0\0\0" if self._kind == "socks5" else b"HTTP/1.1 403 Forbidden\r\n\r\n"
            writer.write(refusal)
            await writer.drain()
            return
        there = await asyncio.open_connection(*target)
        writer.write(b"\x05\0\0\x01\0\0\0\0\0\0" if self._kind == "socks5" else b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))

    async def _socks5(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        writer.write(b"\x05\x00" if self._login is None else b"\x05\x02")
        if self._login is not None:
            await reader.readexactly(1)
            user = await reader.readexactly((await reader.readexactly(1))[0])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            right = f"{user.decode()}:{password.decode()}" == self._login
            writer.write(b"\x01\x00" if right else b"\x01\x01")
            if not right:
                await writer.drain()
                return None
        *_, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = ".".join(str(part) for part in await reader.readexactly(4))
        return host, int.from_bytes(await reader.readexactly(2), "big")

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if self._login is not None and base64.b64encode(self._login.encode()).decode() not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            await writer.drain()
            return None
        host, _, port = head.split()[1].rpartition(":")
        return host, int(port)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
    finally:
        writer.transport.abort()
