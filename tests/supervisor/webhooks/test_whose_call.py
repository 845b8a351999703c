"""The webhook process of a fleet posts for that fleet's workers."""

from __future__ import annotations

from pathlib import Path

from support.receiver import Receiver
from support.webhooks import SAID, asker, hook, running


async def test_another_fleets_worker_is_refused(tmp_path: Path) -> None:
    """B7: an account of the same name in another fleet is not posted to this one's webhook, with this one's key."""
    path = tmp_path / "webhook.sock"
    with running(path) as process:
        async with Receiver() as receiver, asker(path) as worker:
            process.take(a0=hook(f"{receiver.url}/reply"))
            number = worker.put("a0", fleet="other")
            refused = {"code": "webhook_other_fleet", "fields": {"name": "test"}}
            assert await worker.take() == {"number": number, "refused": refused}
            assert receiver.calls == []
            assert await worker.ask("a0") == {"replies": [SAID]}


async def test_a_supervisor_of_an_older_version_has_its_webhooks(tmp_path: Path) -> None:
    """It ran before an update on disk, and starts the new process: it names no fleet, and neither do its workers."""
    path = tmp_path / "webhook.sock"
    with running(path, fleet=None) as process:
        async with Receiver() as receiver, asker(path) as worker:
            process.take(a0=hook(f"{receiver.url}/reply"))
            number = worker.put("a0", fleet=None)
            assert await worker.take() == {"number": number, "replies": [SAID]}
