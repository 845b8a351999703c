"""A WebSocket server whose every move is the test's own, for what the built-in gateway does not do."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

Script = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def raw_server(script: Script, receive_buffer: int | None = None) -> AsyncIterator[str]:
    """Run `script` for each connection, and yield the server's address."""
    listener = socket.create_server(("127.0.0.1", 0))
    if receive_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    server = await serve(script, sock=listener, ping_interval=None, max_size=None, close_timeout=0.1)
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        for connection in list(server.connections):
            connection.transport.abort()
        server.close()
        await server.wait_closed()


async def receive(connection: ServerConnection) -> dict[str, Any]:
    """Return the next frame."""
    frame: dict[str, Any] = json.loads(await connection.recv())
    return frame


async def answer(connection: ServerConnection, frame: dict[str, Any], body: object = None) -> None:
    """Answer a request well."""
    good: dict[str, Any] = {"code": 200, "headers": {"mid": frame["headers"]["mid"]}}
    await connection.send(json.dumps(good if body is None else {**good, "body": body}))


async def registered(connection: ServerConnection) -> None:
    """Take the `/reg` and answer it."""
    frame = await receive(connection)
    assert frame["lwp"] == "/reg"
    await answer(connection, frame)


async def serve_on(connection: ServerConnection, frames: list[dict[str, Any]] | None = None) -> None:
    """Answer every request well from now on; keep what comes."""
    async for text in connection:
        frame = json.loads(text)
        if frames is not None:
            frames.append(frame)
        if "lwp" in frame:
            body = {"topic": "sync", "pts": 5} if frame["lwp"] == "/r/SyncStatus/getState" else None
            await answer(connection, frame, body)


async def stop_reading(connection: ServerConnection) -> None:
    """Read nothing more, and stay."""
    connection.transport.pause_reading()
    await connection.wait_closed()
