"""Shared by the tests of the tokens: a token endpoint and a store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.tokens import COOKIE
from support.tokenserver import TokenServer
from xyfleet.supervisor.credentials.store import Store


@pytest.fixture
async def server() -> AsyncIterator[TokenServer]:
    """A token endpoint."""
    async with TokenServer() as running:
        yield running


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store with the account `shop`."""
    store = Store(tmp_path)
    store.load([])
    store.adopt("shop", COOKIE, "file")
    yield store
    assert await store.close()
