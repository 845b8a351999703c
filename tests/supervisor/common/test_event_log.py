"""Events are kept, bounded, and handed to followers without ever waiting."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from xyfleet.supervisor.common import event_log as module
from xyfleet.supervisor.common.event_log import KINDS, EventLog, stamp


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.ndjson"


def test_event_has_the_documented_fields(path: Path) -> None:
    """Each line has all fields of the design under their names; unknown is null."""
    log = EventLog(path)
    log.add("state", "shop-1", time=1767323045.5, old="CONNECTED", new="FAILED", cause="auth", reason="expired")
    log.close()

    (event,) = lines(path)

    assert {"id": 1, "time": "2026-01-02T03:04:05.500Z", "account": "shop-1", "kind": "state"}.items() <= event.items()
    assert {
        "from": "CONNECTED",
        "to": "FAILED",
        "cause": "auth",
        "reason": "expired",
        "by": None,
    }.items() <= event.items()
    assert path.stat().st_mode & 0o777 == 0o600


def test_kinds_are_the_documented_ones() -> None:
    """Programs rely on these words."""
    assert set(KINDS) == {"state", "restart", "refresh", "quarantine", "outage", "reload", "operator", "message"}


def test_numbers_go_on_after_a_restart(path: Path) -> None:
    """A new supervisor shows the old events and counts on."""
    first = EventLog(path)
    first.add("message", time=0, reason="one")
    first.close()

    second = EventLog(path)
    added = second.add("message", time=1, reason="two")
    second.close()

    assert added.id == 2
    assert [event.reason for event in second.since()] == ["one", "two"]
    assert [event.reason for event in second.since(1)] == ["two"]


def test_files_stay_bounded(path: Path) -> None:
    """Two generations never grow beyond the limit, and the newest events are the ones kept."""
    log = EventLog(path, max_bytes=4000)
    for number in range(200):
        log.add("message", time=number, reason="x" * 20)
        asyncio.run(log.written())
        assert sum(file.stat().st_size for file in path.parent.iterdir()) <= 4000
    log.close()

    assert sorted(file.name for file in path.parent.iterdir()) == ["events.ndjson", "events.ndjson.1"]
    assert EventLog(path, max_bytes=4000).since()[-1].id == 200


@pytest.mark.parametrize("torn", [b'{"id": 7, "ti', b"\x00\x00\x00", b"[]\n", b"\xff\n"])
def test_torn_lines_cost_nothing_else(path: Path, torn: bytes) -> None:
    """Half a line at the end is skipped, and the next event is a line of its own."""
    log = EventLog(path)
    log.add("message", time=0, reason="before")
    log.close()
    with path.open("ab") as file:
        file.write(torn)

    again = EventLog(path)
    again.add("message", time=0, reason="after")
    again.close()

    assert [event.reason for event in EventLog(path).since()] == ["before", "after"]


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let this process write no file beyond `size`: the kernel cuts a write there, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_is_counted_and_healed(path: Path) -> None:
    """While nothing can be written, events are counted and still known; afterwards whole lines are written again."""
    log = EventLog(path)
    log.add("message", time=0, reason="before")
    asyncio.run(log.written())
    with file_size_limit(path.stat().st_size + 10):
        log.add("message", time=0, reason="torn")
        asyncio.run(log.written())
        assert log.problem is not None
        log.add("message", time=0, reason="lost")
        asyncio.run(log.written())
        assert (log.lost, log.problem) == (2, os.strerror(27))
    log.add("message", time=0, reason="after")
    log.close()

    assert log.problem is None
    assert [event.reason for event in log.since()] == ["before", "torn", "lost", "after"]
    assert [event.reason for event in EventLog(path).since()] == ["before", "after"]


def test_folder_that_appears_later_is_used(tmp_path: Path) -> None:
    """A log that can't be opened says so, works in memory, and is written as soon as it can be."""
    (tmp_path / "later").touch()
    log = EventLog(tmp_path / "later" / "events")
    assert log.problem == os.strerror(20)
    log.add("message", time=0, reason="early")
    asyncio.run(log.written())
    assert log.lost == 1
    (tmp_path / "later").unlink()
    log.add("message", time=0, reason="late")
    log.close()

    assert log.problem is None
    assert [line["reason"] for line in lines(tmp_path / "later" / "events")] == ["late"]


async def test_follower_gets_old_and_new(path: Path) -> None:
    """A follower first gets what is kept after its number, then each new event, without polling."""
    log = EventLog(path)
    log.add("message", time=0, reason="one")
    log.add("message", time=0, reason="two")
    with log.follow(1) as follower:
        assert [event.reason for event in await follower.take(1)] == ["two"]
        waiting = asyncio.ensure_future(follower.take(10))
        await asyncio.sleep(0)
        log.add("message", time=0, reason="three")
        assert [event.reason for event in await waiting] == ["three"]
        assert await follower.take(0.01) == []
        assert log.followers == 1
    assert log.followers == 0
    log.close()


async def test_end_of_the_log_ends_followers(path: Path) -> None:
    """Nobody waits for a log that is closed."""
    log = EventLog(path)
    with log.follow() as follower:
        waiting = asyncio.ensure_future(follower.take(10))
        await asyncio.sleep(0)
        log.close()
        assert await waiting == []
        assert follower.ended


async def test_slow_follower_is_dropped_with_a_marker(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not keep up gets what fits, a line that says so, and the end; memory stays bounded."""
    monkeypatch.setattr(module, "FOLLOWER_BACKLOG", 3)
    log = EventLog(path)
    with log.follow() as follower:
        for number in range(10):
            log.add("message", time=0, reason=str(number))
        taken = await follower.take(1)
        assert follower.ended
    log.close()

    assert [event.reason for event in taken] == ["0", "1", "2", "too slow: events from 4 on were not sent"]


def test_stamp_is_utc_with_milliseconds() -> None:
    """Times are RFC 3339."""
    assert stamp(0) == "1970-01-01T00:00:00.000Z"
