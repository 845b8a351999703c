"""Real worker processes, forked by a real forkserver with the real preload, under a small supervisor process."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import msgspec

from xyfleet.worker.ipc.codec import MAX_DOWN, decode_up, encode
from xyfleet.worker.ipc.messages import Down, Go, Hello, Report, Ticket, TicketRequest, Up
from xyfleet.worker.settings import WorkerSettings


class Worker:
    """One worker process."""

    def __init__(self, nursery: Nursery, index: int, pid: int) -> None:
        self.pid = pid
        self.heard: list[Up] = []
        self._nursery = nursery
        self.index = index

    def say(self, message: Down) -> None:
        """Send a command."""
        self._nursery.order(do="say", index=self.index, body=encode(message, MAX_DOWN)[4:].decode())

    def hear(self) -> list[Up]:
        """Return all that the worker has said."""
        self.heard += [decode_up(body.encode()) for body in self._nursery.order(do="hear", index=self.index)]
        return self.heard

    def reports(self) -> list[Report]:
        """Return its reports."""
        return [message for message in self.hear() if isinstance(message, Report)]

    def requests(self) -> list[TicketRequest]:
        """Return its ticket requests."""
        return [message for message in self.hear() if isinstance(message, TicketRequest)]

    def hello(self) -> Hello:
        """Return its first message."""
        until(self.hear)
        first = self.heard[0]
        assert isinstance(first, Hello)
        return first

    def connected(self, times: int = 1) -> Report:
        """Wait until it was connected so many times and a beat was answered."""

        def told() -> bool:
            reports = self.reports()
            entered = [change for report in reports for change in report.changes if change.new == "CONNECTED"]
            return len(entered) >= times and reports[-1].window.streak > 0

        until(told)
        return self.reports()[-1]

    def hang_up(self) -> None:
        """Close the supervisor's ends of its pipes."""
        self._nursery.order(do="hang up", index=self.index)

    def code(self) -> int | None:
        """Wait for its end and return the exit code."""
        code: int | None = self._nursery.order(do="join", index=self.index)
        return code

    def title(self) -> str:
        """Return the process title."""
        return Path(f"/proc/{self.pid}/cmdline").read_bytes().rstrip(b"\0").decode()


class Nursery:
    """The small supervisor. Use as a context manager."""

    def __init__(self, *flags: str, stderr: int | None = None) -> None:
        # The forkserver's socket: a process that is killed can't remove it.
        self._folder = tempfile.TemporaryDirectory(prefix="nursery-")
        self.process = subprocess.Popen(
            [sys.executable, *flags, "-m", "support.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=os.environ | {"TMPDIR": self._folder.name},
            cwd=Path(__file__).parent.parent.parent,  # the tests folder: this is `support.nursery` there
        )
        self._started = self._ended = 0
        """How many workers were started, and how many of them `end_workers` has ended."""
        self.forkserver: int = self._answer()

    def order(self, **words: Any) -> Any:
        """Have something done and return the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 20)
        assert ready, "the nursery does not answer"
        return json.loads(self.process.stdout.readline())

    def start(self, settings: WorkerSettings, ticket: Ticket | None = None) -> Worker:
        """Start a worker."""
        worker = self.fork()
        go = encode(Go(settings=settings, ticket=ticket), MAX_DOWN)[4:]
        self.order(do="say", index=worker.index, body=go.decode())
        return worker

    def fork(self) -> Worker:
        """Start a worker and do not tell it to go."""
        index, pid = self.order(do="fork")
        self._started = index + 1
        return Worker(self, index, pid)

    def end_workers(self) -> None:
        """Kill the workers that still run."""
        for index in range(self._ended, self._started):
            self.order(do="end", index=index)
        self._ended = self._started

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self._folder.cleanup()


def until(true: Any, timeout: float = 10.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def with_log(settings: WorkerSettings, **changes: Any) -> WorkerSettings:
    """Return the settings with another log."""
    return msgspec.structs.replace(settings, log=msgspec.structs.replace(settings.log, **changes))
