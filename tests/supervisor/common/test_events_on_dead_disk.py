"""Events whose disk does not answer: nobody waits for it, and what was added is written when it does."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from xyfleet.supervisor.common.event_log import EventLog
from xyfleet.worker.telemetry import log_handlers
from xyfleet.worker.telemetry.log_handlers import RotatingFile


async def test_a_disk_that_hangs_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adding goes on, followers hear at once, `stuck` says so; at the end of the hang all is on disk, in order."""
    hangs = threading.Event()
    append = RotatingFile._append

    def late(file: RotatingFile, line: bytes) -> None:
        assert hangs.wait(20)
        append(file, line)

    monkeypatch.setattr(RotatingFile, "_append", late)
    monkeypatch.setattr(log_handlers, "STUCK_AFTER", 0.05)
    log = EventLog(tmp_path / "events.jsonl")
    began = time.monotonic()
    with log.follow() as follower:
        for number in range(20):
            log.add("message", time=0, reason=str(number))
        heard = await follower.take(1)
    took = time.monotonic() - began
    await asyncio.sleep(0.1)
    stuck = log.stuck()
    hangs.set()
    await log.written()

    assert (len(heard), took < 1.0, stuck, log.stuck(), log.lost) == (20, True, True, False, 0)
    assert [event.reason for event in EventLog(tmp_path / "events.jsonl").since()] == [str(n) for n in range(20)]
    log.close()
