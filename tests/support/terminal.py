"""A real terminal with a command in it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.standin import environment

ROWS, COLUMNS = 8, 100
_CODE = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C is a signal
from xyfleet.supervisor.cli.main import main
sys.exit(main())
"""


class Terminal:
    """`xyfleet words…` as somebody at a terminal runs it; `text` is all that was shown so far."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.text = b""
        self._outer, self._inner = pty.openpty()
        fcntl.ioctl(self._inner, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.before = self.modes()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CODE, *words],
            env=environment(folder, TERM="xterm"),
            stdin=self._inner,
            stdout=self._inner,
            stderr=self._inner,
            start_new_session=True,
        )

    def modes(self) -> list[Any]:
        """Return the terminal's settings."""
        return termios.tcgetattr(self._inner)

    def pending(self) -> int:
        """Return how many typed bytes nobody has read."""
        return int.from_bytes(fcntl.ioctl(self._inner, termios.FIONREAD, bytes(4)), sys.byteorder)

    async def until(self, words: bytes) -> None:
        """Read until `words` were shown."""
        async with asyncio.timeout(20):
            while words not in self.text:
                self.text += await asyncio.to_thread(os.read, self._outer, 65536)

    async def type(self, text: str) -> None:
        """Type or paste."""
        data = text.encode()
        while data:
            written = await asyncio.to_thread(os.write, self._outer, data[:1000])
            data = data[written:]

    async def end(self) -> int:
        """Wait for the command's end, read what is left, and return the exit code."""
        code = await asyncio.to_thread(self.process.wait, 20)
        os.set_blocking(self._outer, False)
        try:
            while data := os.read(self._outer, 65536):
                self.text += data
        except BlockingIOError:
            return code
        raise AssertionError("unreachable: we hold the other side open")

    def close(self) -> None:
        """End the command if it still runs."""
        self.process.kill()
        self.process.wait()
        os.close(self._outer)
        os.close(self._inner)


@contextmanager
def terminal(folder: Path, *words: str) -> Iterator[Terminal]:
    """Run a command in a terminal for the length of a block."""
    one = Terminal(folder, *words)
    try:
        yield one
    finally:
        one.close()
