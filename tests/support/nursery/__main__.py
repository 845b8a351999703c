"""The small supervisor's process: takes orders as lines of JSON, and answers each with one."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.supervisor.workers.start_request import exit_code
from xyfleet.worker.ipc.codec import MAX_UP, FrameDecoder

PROTOCOL = os.dup(1)
os.dup2(2, 1)  # what workers say on standard output goes to standard error


class Kept:
    """A worker and our ends of its pipes."""

    def __init__(self, forkserver: Forkserver) -> None:
        request = forkserver.ask("worker")
        readable(request.sentinel, 20)
        assert request.heard()
        self.spawned = request.answer()
        self.splitter = FrameDecoder(MAX_UP)
        os.set_blocking(self.spawned.down, True)

    def hear(self) -> list[str]:
        """Return what was said since the last time."""
        bodies: list[str] = []
        try:
            while data := os.read(self.spawned.up, 65536):
                bodies += [body.decode() for body in self.splitter.feed(data)]
        except (BlockingIOError, OSError):
            pass
        return bodies

    def say(self, body: str) -> None:
        """Send a command."""
        data = body.encode()
        os.write(self.spawned.down, len(data).to_bytes(4, "big") + data)

    def hang_up(self) -> None:
        """Close our ends."""
        os.close(self.spawned.up)
        os.close(self.spawned.down)

    def end(self) -> None:
        """Kill it, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.spawned.pidfd, signal.SIGKILL)
        readable(self.spawned.sentinel, 10)

    def join(self) -> int | None:
        """Wait for the end."""
        readable(self.spawned.sentinel, 10)
        return exit_code(self.spawned.sentinel)


def readable(fd: int, timeout: float) -> None:
    """Wait until there is something to read."""
    select.select([fd], [], [], timeout)


def say(answer: Any) -> None:
    """Answer an order."""
    os.write(PROTOCOL, json.dumps(answer).encode() + b"\n")


def serve(forkserver: Forkserver) -> None:
    """Carry out orders until there are none."""
    kept: list[Kept] = []
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        answer: Any = None
        if order["do"] == "fork":
            kept.append(Kept(forkserver))
            answer = [len(kept) - 1, kept[-1].spawned.pid]
        else:
            worker = kept[order["index"]]
            arguments = [order["body"]] if order["do"] == "say" else []
            answer = getattr(worker, order["do"].replace(" ", "_"))(*arguments)
        say(answer)


def main() -> None:
    """Start the forkserver as the supervisor does, and serve."""
    forkserver = Forkserver(Path(tempfile.gettempdir()))
    readable(forkserver.told, 20)
    say(forkserver.pid)
    serve(forkserver)


if __name__ == "__main__":
    main()
