"""Jobs for an account's inbox, and its file as another program sees it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.storage.inbox import AsyncStore, Times
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.operations import Add, Operation
from xyfleet.worker.storage.perform import WAYS
from xyfleet.worker.storage.results import HandlerRules

T = TypeVar("T")

NO_HANDLER = HandlerRules(handler=False, max_age=0, takeover=0)
ASKS = NO_HANDLER._replace(handler=True)
QUICK = Times(retry=0.02, close=0.1)


class Job(Operation[T], frozen=True):
    """An operation that does what a test wants: to look at what no operation tells, or to fail."""

    work: Callable[[MessageStore], T]


WAYS[Job] = lambda store, it, now: it.work(store)


def adding(*ids: str, text: str = "hi", rules: HandlerRules = NO_HANDLER) -> Add:
    """Return an operation that adds messages."""
    return Add(
        [IncomingItem(id=id_, conversation="c1", sender="b", kind="text", text=text) for id_ in ids], False, rules
    )


def ids_in(path: Path) -> list[str]:
    """Return the ids of all messages that are in a file, as another program sees it."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return [id_ for (id_,) in db.execute("SELECT id FROM messages ORDER BY row")]


def log_of(path: Path) -> bool:
    """Tell whether there is a write-ahead log: the file is open, or a crash left it."""
    return Path(f"{path}-wal").exists()


def content_of(path: Path) -> bytes:
    """Return what is in a file."""
    return path.read_bytes()


def put(path: Path, content: bytes) -> None:
    """Have a file, in the place of any that is there."""
    path.parent.mkdir(exist_ok=True)
    path.with_name("new").write_bytes(content)
    path.with_name("new").rename(path)


def fill(file: Path) -> None:
    """Fill a disk to its last page."""
    with contextlib.suppress(OSError), open(file, "wb", buffering=0) as ballast:
        while ballast.write(b"x" * 4096):
            pass


async def until(condition: Callable[[], object], timeout: float = 5.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.005)


def threads() -> int:
    """Return how many inboxes have a thread."""
    return sum(thread.name == "xyfleet-inbox" for thread in threading.enumerate())


class Heard:
    """Notes what troubles there were."""

    def __init__(self, file: Path, times: Times = QUICK) -> None:
        self.troubles: list[str | None] = []
        self.inbox = AsyncStore(MailSettings(file=str(file)), "a", self._changed, times=times)

    def _changed(self) -> None:
        self.troubles.append(None if self.inbox.trouble is None else str(self.inbox.trouble))
