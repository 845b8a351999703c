"""The small supervisor's process: takes orders as lines of JSON, and answers each with one."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.forkserver
import os
import sys
from typing import Any

from xyfleet.worker.ipc.codec import MAX_UP, FrameDecoder
from xyfleet.worker.process.entry import run_worker

PROTOCOL = os.dup(1)
os.dup2(2, 1)  # what workers say on standard output goes to standard error
CONTEXT = multiprocessing.get_context("forkserver")


class Kept:
    """A worker and our ends of its pipes."""

    def __init__(self, settings: bytes, ticket: bytes | None, forkserver: int) -> None:
        self.up, up = CONTEXT.Pipe(duplex=False)
        down, self.down = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(target=run_worker, args=(settings, ticket, up, down, forkserver), daemon=True)
        self.process.start()
        up.close()
        down.close()
        os.set_blocking(self.up.fileno(), False)
        self.splitter = FrameDecoder(MAX_UP)

    def hear(self) -> list[str]:
        """Return what was said since the last time."""
        bodies: list[str] = []
        try:
            while data := os.read(self.up.fileno(), 65536):
                bodies += [body.decode() for body in self.splitter.feed(data)]
        except (BlockingIOError, OSError):
            pass
        return bodies

    def say(self, body: str) -> None:
        """Send a command."""
        data = body.encode()
        os.write(self.down.fileno(), len(data).to_bytes(4, "big") + data)

    def hang_up(self) -> None:
        """Close our ends."""
        self.up.close()
        self.down.close()

    def end(self) -> None:
        """Kill it, unless it has ended."""
        self.process.kill()
        self.process.join(10)

    def join(self) -> int | None:
        """Wait for the end."""
        self.process.join(10)
        return self.process.exitcode


def say(answer: Any) -> None:
    """Answer an order."""
    os.write(PROTOCOL, json.dumps(answer).encode() + b"\n")


def serve(forkserver: int) -> None:
    """Carry out orders until there are none."""
    kept: list[Kept] = []
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        answer: Any = None
        if order["do"] == "start":
            ticket = order["ticket"].encode() if order["ticket"] else None
            kept.append(Kept(order["settings"].encode(), ticket, forkserver))
            answer = [len(kept) - 1, kept[-1].process.pid]
        else:
            worker = kept[order["index"]]
            arguments = [order["body"]] if order["do"] == "say" else []
            answer = getattr(worker, order["do"].replace(" ", "_"))(*arguments)
        say(answer)


def main() -> None:
    """Start the forkserver as the supervisor does, and serve."""
    os.environ["XYFLEET_FORKSERVER"] = str(os.getpid())
    os.environ["UV_THREADPOOL_SIZE"] = "1"
    CONTEXT.set_forkserver_preload(["xyfleet.worker.preload"])
    server: Any = multiprocessing.forkserver._forkserver
    server.ensure_running()
    say(server._forkserver_pid)
    serve(server._forkserver_pid)


if __name__ == "__main__":
    main()
