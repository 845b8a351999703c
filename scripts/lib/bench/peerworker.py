"""What the peers supervise: a plain Python worker on uvloop that says once that its loop runs, and sleeps. Shell.

Run by the peers' own Python: `peerworker.py SOCKET`. It imports nothing of xyfleet.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys

import uvloop


async def live(path: str) -> None:
    """Send our pid to the benchmark, and sleep for ever."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hello:
        hello.sendto(str(os.getpid()).encode("ascii"), path)
    await asyncio.Event().wait()


with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(live(sys.argv[1]))
