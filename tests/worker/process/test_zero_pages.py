"""Pages of zeroes go back to the system, and what they belong to works on."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_zeroes_are_given_back() -> None:
    """A loop's buffer goes, and the loop works; a small thing has no page of its own."""
    program = """
import asyncio, uvloop
from xyfleet.worker.process import zero_pages
from xyfleet.worker.telemetry.memory import pss
def size():
    return pss(open("/proc/self/smaps_rollup", "rb").read())
async def main():
    loop = asyncio.get_running_loop()
    before = size()
    given = zero_pages.give_back_zeroes(loop)
    print(given > 200_000, before - size() > 150_000)
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    theirs.sendall(b"x" * 100_000)
    print(len(await reader.readexactly(100_000)))
    writer.close()
import socket
ours, theirs = socket.socketpair()
uvloop.run(main())
print(zero_pages.give_back_zeroes([]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)

    assert (done.stdout, done.stderr) == ("True True\n100000\n0\n", "")
