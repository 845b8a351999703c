"""The console goes on, whatever it missed (finding 39)."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

from support.standin import account, fleet
from support.station import until
from xyfleet.supervisor.common.event_log import FOLLOWER_BACKLOG, EventLog
from xyfleet.supervisor.control.status_schema import StatusView
from xyfleet.supervisor.presentation.console import Console
from xyfleet.supervisor.runtime.console_feed import feed


async def test_a_console_that_fell_behind_goes_on(tmp_path: Path) -> None:
    """Finding 39: more events at once than a follower may owe, as after a SIGSTOP; what comes later is shown."""
    shown = io.StringIO()
    console = Console(shown, is_tty=False, language="en", zone=None)
    events = EventLog(tmp_path / "events.jsonl")
    view = StatusView(fleet=fleet(), accounts=[account("a")])
    feeding = asyncio.create_task(feed(console, events, lambda: view, 0.05))
    await until(lambda: events.followers)
    for _ in range(FOLLOWER_BACKLOG + 10):
        events.add("operator", time=0.0, new="stop", by="you")
    await until(lambda: "more events" in shown.getvalue())
    await asyncio.sleep(1.0)  # The console shows so many lines a second and no more.
    events.add("operator", time=0.0, new="shutdown", by="the late one")
    await until(lambda: "the late one" in shown.getvalue())
    feeding.cancel()
    await asyncio.wait([feeding])
    console.close()
    events.close()
