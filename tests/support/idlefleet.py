"""A fleet in the test's own loop whose start queue does not run: accounts want workers, and none is made."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import yaml

from xyfleet.supervisor.common.event_log import EventLog
from xyfleet.supervisor.config.load import load
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.login_hook.service import HookService
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.supervisor.tokens.egress import tls_context
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.supervisor.workers.worker_config import gateway_of


def write(folder: Path, accounts: list[dict[str, Any]], **fleet: Any) -> Path:
    """Write an accounts file."""
    file = folder / "fleet.yml"
    head = {"name": "t", "endpoint": "ws://127.0.0.1:1/", "token_url": "http://127.0.0.1:1/", "state_dir": "state"}
    file.write_text(yaml.safe_dump({"version": 1, "fleet": head | fleet, "accounts": accounts}))
    file.chmod(0o600)
    return file


@contextlib.asynccontextmanager
async def idle_fleet(folder: Path, forkserver: Forkserver, accounts: list[dict[str, Any]]) -> AsyncIterator[Fleet]:
    """Give a fleet with these accounts; their starts are queued."""
    settings = load(write(folder, accounts), {})
    store = Store(settings.fleet.state_dir)
    store.load(settings.accounts)
    gateway = gateway_of(settings.fleet)
    fleet = Fleet(
        settings,
        gateway,
        forkserver=forkserver,
        store=store,
        events=EventLog(folder / "events.jsonl"),
        tokens=TokenService(store, gateway.token_url, tls_context(None)),
        hooks=HookService(store, settings.refresh, folder, None),
        verbose=False,
        webhook_socket=folder / "w.sock",
    )
    for each in settings.accounts.values():
        fleet.begin(fleet.enlist(each))
    try:
        yield fleet
    finally:
        await fleet.stop_all()
        await store.close()
        fleet.events.close()
