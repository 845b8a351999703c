"""What a proxy says is shown without what it was told."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator

import pytest

from xyfleet.supervisor.tokens import egress
from xyfleet.worker.secret import Secret

PASSWORD = "+".join(f"part{number:03d}" for number in range(40))
SENT = base64.b64encode(f"li:{PASSWORD}".encode()).decode()


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """An HTTP proxy that refuses with the password it was given, in both spellings, behind a long text."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 407 {'x' * 50} {PASSWORD} {SENT} end\r\n\r\n".encode())
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_password_that_a_proxy_repeats_is_masked(echo: int) -> None:
    """Before the reason is cut, as it was given and as it was sent (B10)."""
    proxy = Secret(f"http://li:{PASSWORD.replace('+', '%2B')}@127.0.0.1:{echo}")
    with pytest.raises(egress.Unreachable) as caught:
        await egress.probe("http://127.0.0.1:9", proxy, ssl.create_default_context(), 5.0)

    assert str(caught.value) == f"proxy refused: 407 {'x' * 50} *** *** end"
