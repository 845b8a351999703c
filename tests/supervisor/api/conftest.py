"""Shared by the tests of the API: a fleet's stand-in, and the API on its Unix socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from support.standin import StandIn, account, failed
from xyfleet.supervisor.api.unix_server import ApiServer
from xyfleet.supervisor.supervision.account_state import Process
from xyfleet.worker.causes import Cause


@pytest.fixture
def control(tmp_path: Path) -> StandIn:
    """A fleet of a live account and one that needs a login."""
    return StandIn(
        tmp_path, [account("a", tags=("t",)), failed("b", Cause.AUTH, Process.NEEDS_LOGIN, tags=("nohook",))]
    )


@pytest.fixture
async def server(control: StandIn) -> AsyncIterator[ApiServer]:
    """The API on the socket `control.sock`."""
    one = ApiServer(control, control.folder / "control.sock")
    await one.start()
    yield one
    await one.close()


@pytest.fixture
async def http(server: ApiServer, control: StandIn) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of that socket."""
    connector = aiohttp.UnixConnector(str(control.folder / "control.sock"))
    async with aiohttp.ClientSession("http://xyfleet", connector=connector) as session:
        yield session
