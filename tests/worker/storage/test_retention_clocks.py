"""What is deleted is old by the server's clock and by ours: either may be years off for an hour."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from support.stores import DAY, NO_HANDLER, incoming
from xyfleet.worker.clock import SAMPLES, ServerClock
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.operations import Add


def say(clock: ServerClock, stamp: float) -> None:
    """Have the server say this time (ms) often enough to be believed."""
    for _ in range(SAMPLES):
        clock.registered(int(stamp))


@pytest.mark.parametrize("odd", [200 * DAY, -20 * 365 * DAY, 170 * 365 * DAY])
@pytest.mark.parametrize("first", [True, False])
async def test_a_server_whose_clock_is_off_deletes_nothing(tmp_path: Path, odd: int, first: bool) -> None:
    """Messages from before, and from while it is off, are there when it is right again, and no older than they are."""
    path, now = tmp_path / "inbox" / "1.db", time.time() * 1000
    clock = ServerClock()
    store = AsyncStore(MailSettings(file=str(path)), "a", lambda: None, clock=clock.now)
    if first:
        await store.do(Add([incoming("1.PNM", time=int(now))], False, NO_HANDLER))
    say(clock, now + odd)
    await store.do(Add([incoming("2.PNM", time=int(now))], False, NO_HANDLER))
    await store.trimming.trim()
    say(clock, now)
    await store.trimming.trim()
    await store.close()
    with closing(sqlite3.connect(path)) as db:
        stamps = [stamp for (stamp,) in db.execute("SELECT stamp FROM messages ORDER BY row")]

    assert len(stamps) == 1 + first
    assert all(abs(stamp - now) < DAY for stamp in stamps)
