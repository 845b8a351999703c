"""Feeds the console: events as they come, the summary as often as it is cheap. Shell."""

from __future__ import annotations

import time
from collections.abc import Callable

from xyfleet.supervisor.common.event_log import EventLog, Follower
from xyfleet.supervisor.control.status_schema import StatusView
from xyfleet.supervisor.presentation.console import Console


async def feed(console: Console, events: EventLog, status: Callable[[], StatusView], pause: float) -> None:
    """
    Show what happens from now on; return when the terminal is gone.

    Args:
        status: Returns what the summary is made of.
        pause: Seconds between two summaries.
    """
    while not console.gone:
        kept = events.since()
        with events.follow(kept[-1].id if kept else 0) as follower:
            await _follow(console, follower, status, pause)
        # A follower that fell too far behind has ended; the events it missed are in `xyfleet events`.


async def _follow(console: Console, follower: Follower, status: Callable[[], StatusView], pause: float) -> None:
    due = 0.0
    while not follower.ended and not console.gone:
        for event in await follower.take(pause):
            console.event(event)
        if time.monotonic() >= due:
            due = time.monotonic() + pause
            console.summary(status())
