"""What happened in the fleet: a bounded file of JSON lines, and those who follow it live. Shell.

Adding an event never waits and never fails: a thread writes them; a full disk is counted and named in `problem`, a
follower that does not keep up is dropped with a marker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec

from xyfleet.supervisor.common.private_folders import reason
from xyfleet.worker.private_files import open_private
from xyfleet.worker.reasons import Reason
from xyfleet.worker.telemetry.log_handlers import LineWriter, Outlet, RotatingFile

Kind = Literal["state", "restart", "refresh", "quarantine", "outage", "reload", "operator", "message"]
"""What an event is about; each kind's fields are listed in docs/api.md."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
DEFAULT_MAX_BYTES: Final = 20_000_000
KEPT: Final = 2000
"""Events held in memory: what `xyfleet events` shows at once."""
CLOSE_WITHIN: Final = 1.0
"""Seconds that the last events may take to be written."""
FOLLOWER_BACKLOG: Final = 5000
"""Events that wait for one follower before it is dropped; above what is kept, so that the first batch fits."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event. Unknown is null; a field is never renamed or removed."""

    id: int
    """Grows by one with each event, over restarts of the supervisor too."""
    time: str
    """RFC 3339 in UTC."""
    account: str | None
    """Null = the whole fleet."""
    kind: Kind
    old: str | None = msgspec.field(name="from", default=None)
    new: str | None = msgspec.field(name="to", default=None)
    cause: str | None = None
    reason: str | None = None
    """In raw English words."""
    label: str = ""
    why: str | None = None
    """`restart`: what made it needed, see `xyfleet.supervisor.presentation.event_text`."""
    by: str | None = None
    """Operator."""
    next_attempt: str | None = None
    accounts: int | None = None
    """`outage`, `message`: how many accounts are hit."""
    because: Reason | None = None
    """`reason` as a code with fields."""
    counts: dict[str, int] | None = None
    """`reload`: accounts added, removed, restarted, applied, unfinished; `message`: dead letters, `new` and `dead`."""


def stamp(seconds: float) -> str:
    """Return a wall time (seconds since the epoch) as RFC 3339 in UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Follower:
    """One reader of the live stream."""

    def __init__(self, backlog: list[Event]) -> None:
        self._waiting = deque(backlog)
        self._news = asyncio.Event()
        self.ended = False
        """Nothing more will come: the log was closed, or this follower fell too far behind."""
        if backlog:
            self._news.set()

    async def take(self, wait: float) -> list[Event]:
        """Return the new events as soon as there are some; an empty list after `wait` seconds or at the end."""
        # Not `wait_for`: on Python 3.11 it loses a cancellation that comes together with the news.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._news.wait()
        taken = list(self._waiting)
        self._waiting.clear()
        if not self.ended:
            self._news.clear()
        return taken

    def _give(self, event: Event) -> None:
        if len(self._waiting) < FOLLOWER_BACKLOG:
            self._waiting.append(event)
        elif not self.ended:
            lost = f"too slow: events from {event.id} on were not sent"
            self._waiting.append(Event(id=event.id, time=event.time, account=None, kind="message", reason=lost))
            self.ended = True
        self._news.set()

    def _end(self) -> None:
        self.ended = True
        self._news.set()


class _EventFile(RotatingFile):
    """Counts all that it could not write. Used in the writer's thread."""

    all_lost = 0

    def write(self, line: bytes) -> None:
        """Write an event."""
        super().write(line)
        self.all_lost += self.trouble is not None


class EventLog:
    """The fleet's events: `path` and one older generation beside it, together at most `max_bytes`."""

    def __init__(self, path: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        half = max_bytes // 2
        self._file = _EventFile(str(path), half, backups=1)
        self._outlet = Outlet(self._file, lambda _: b"")  # who reads it sees by the numbers that some are missing
        self._writer = LineWriter()
        self._unread: str | None = None
        self._kept: deque[Event] = deque(maxlen=KEPT)
        for each in (path.with_name(path.name + ".1"), path):
            try:
                self._kept.extend(_read(each, half))
            except FileNotFoundError:
                continue
            except OSError as error:
                self._unread = reason(error)
        self._next_id = self._kept[-1].id + 1 if self._kept else 1
        self._followers: set[Follower] = set()
        self._encoder = msgspec.json.Encoder()

    def add(self, kind: Kind, account: str | None = None, *, time: float, **fields: Any) -> Event:
        """Record an event of now (`time`: wall time in seconds); `fields` as in `Event`."""
        event = Event(id=self._next_id, time=stamp(time), account=account, kind=kind, **fields)
        self._next_id += 1
        self._kept.append(event)
        for follower in self._followers:
            follower._give(event)
        self._unread = None
        self._writer.put(self._outlet, self._encoder.encode(event) + b"\n")
        return event

    @property
    def problem(self) -> str | None:
        """Why events can't be written just now, for `status`; they still reach followers."""
        return self._unread or self._file.trouble

    def stuck(self) -> bool:
        """Tell whether the disk does not answer."""
        return self._writer.stuck()

    @property
    def lost(self) -> int:
        """How many events never reached the file."""
        return self._file.all_lost + self._outlet.refused

    async def written(self) -> None:
        """Wait until all that was added is written, or lost."""
        while not self._writer.idle():  # noqa: ASYNC110 (the thread rings no bell of ours: it is to be a bare one)
            await asyncio.sleep(0.01)

    def since(self, last: int = 0) -> list[Event]:
        """Return the kept events after number `last`."""
        return [event for event in self._kept if event.id > last]

    @contextlib.contextmanager
    def follow(self, last: int = 0) -> Iterator[Follower]:
        """Give a follower that first gets the kept events after number `last`."""
        follower = Follower(self.since(last))
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    @property
    def followers(self) -> int:
        """How many follow now."""
        return len(self._followers)

    def close(self) -> None:
        """End all followers, have the last events written, and close the file."""
        for follower in self._followers:
            follower._end()
        self._writer.close(self._outlet)
        self._writer.end(CLOSE_WITHIN)
        self._writer = LineWriter()


def _read(path: Path, most: int) -> list[Event]:
    """Return the events of a file's last `most` bytes; torn lines and a newer version's are left out. `OSError`."""
    decoder = msgspec.json.Decoder(Event)
    with open(open_private(path, os.O_RDONLY), "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - most))
        lines = file.read(most).splitlines()[-KEPT:]
    events = []
    for line in lines:
        with contextlib.suppress(msgspec.MsgspecError):
            events.append(decoder.decode(line))
    return events
