"""Inboxes as workers leave them, for those who read them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.standin import StandIn
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.results import HandlerRules

NOW = 1_767_323_045_000
"""2026-01-02T03:04:05Z"""
HANDLED = HandlerRules(handler=True, max_age=0, takeover=0)
KEPT = HandlerRules(handler=False, max_age=0, takeover=0)

WRITER = """
import sys, time
from support.inboxes import store, write
from pathlib import Path
with store(Path(sys.argv[1]), sys.argv[2]) as opened:
    for number in range(int(sys.argv[3])):
        write(opened, f"{number}.PNM", text=f"text {number}", now=int(time.time() * 1000))
    print("written", flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def store(folder: Path, account: str) -> Iterator[MessageStore]:
    """Open an account's inbox as its worker does."""
    opened = MessageStore(str(folder / "inbox" / f"{account}.db"), account)
    try:
        yield opened
    finally:
        opened.close()


def write(opened: MessageStore, id_: str, *, now: int = NOW, rules: HandlerRules = KEPT, **fields: Any) -> int:
    """Store a buyer's text; return its row."""
    plain: dict[str, Any] = {
        "conversation": "60123",
        "sender": "9",
        "sender_name": "小王",
        "kind": "text",
        "text": "在吗",
        "time": now,
    }
    (row,) = opened.add([IncomingItem(id=id_, **plain | fields)], recovered=False, now=now, rules=rules).rows
    return row.row


def put(control: StandIn, account: str, *ids: str, **fields: Any) -> None:
    """Store texts in an account's inbox, and tell the fleet as a worker's report does."""
    with store(control.folder, account) as opened:
        for id_ in ids:
            write(opened, id_, **fields)
    control.mail.changed(account)


def bury(control: StandIn, account: str, id_: str, reason: str = "it raised ValueError") -> None:
    """Store a text that the handler failed to answer."""
    with store(control.folder, account) as opened:
        row = write(opened, id_, rules=HANDLED)
        opened.begin(row, 0)
        opened.give_up(row, "failed", reason)


def writer(folder: Path, account: str, count: int) -> subprocess.Popen[bytes]:
    """Start a process that stores texts and then waits, the file open, until its input ends."""
    command = [sys.executable, "-c", WRITER, str(folder), account, str(count)]
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    return process
