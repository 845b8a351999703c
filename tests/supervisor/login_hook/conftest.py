"""Shared by the tests of the login hook: a store, and services for hooks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.hooks import COOKIE, Service, script
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.login_hook.service import HookService
from xyfleet.supervisor.settings import Refresh


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store with the account `shop`."""
    store = Store(tmp_path / "state")
    store.load([])
    store.adopt("shop", COOKIE, "file")
    yield store
    assert await store.close()


@pytest.fixture
async def service(store: Store, tmp_path: Path) -> AsyncIterator[Service]:
    """Makes services for a hook: a Python text, or a command."""
    made: list[HookService] = []

    def make(hook: str | tuple[str, ...] | None, **settings: Any) -> HookService:
        command = (script(tmp_path, hook),) if isinstance(hook, str) else hook
        folder, log_dir = settings.pop("folder", tmp_path), settings.pop("log_dir", tmp_path / "logs")
        made.append(HookService(store, Refresh(command=command, **settings), folder, log_dir))
        return made[-1]

    yield make
    for each in made:
        await each.close()
