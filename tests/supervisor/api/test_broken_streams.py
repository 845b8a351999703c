"""A stream whose source breaks is cut off: nothing comes that could be read as more of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
import pytest

from support.standin import StandIn, account
from xyfleet.supervisor.api.unix_server import ApiServer
from xyfleet.supervisor.control.types import QrStep


class Breaking(StandIn):
    """A fleet whose logins by code break in the middle."""

    async def qr_login(self, name: str, by: str) -> AsyncGenerator[QrStep, None]:
        """Show a code, and break."""
        yield QrStep(step="code", code="https://example.com/", seconds=180)
        raise ValueError("not foreseen")


async def read(response: aiohttp.ClientResponse, seen: bytearray) -> None:
    """Read an answer to its end."""
    async for chunk in response.content.iter_any():
        seen += chunk


async def test_a_fault_after_the_first_line(tmp_path: Path) -> None:
    """The client sees that the answer is cut short, instead of a second answer's head among its lines."""
    server = ApiServer(Breaking(tmp_path, [account("a")]), tmp_path / "control.sock")
    await server.start()
    connector = aiohttp.UnixConnector(str(tmp_path / "control.sock"))
    seen = bytearray()
    async with (
        aiohttp.ClientSession("http://xyfleet", connector=connector) as http,
        http.post("/v1/login/qr", json={"name": "a"}) as response,
    ):
        with pytest.raises(aiohttp.ClientError):
            await read(response, seen)
    await server.close()

    assert response.status == 200
    assert b'"code"' in seen
    assert b"HTTP/1.1" not in seen
