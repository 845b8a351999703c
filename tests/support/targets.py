"""What misbehaving workers do: each function is the whole life of a process that a test starts."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.connection import Connection


def frame(body: bytes) -> bytes:
    """Return a frame of the pipes."""
    return len(body).to_bytes(4, "big") + body


ALIVE = frame(b'{"t":"alive"}')


def until_told(down: Connection) -> None:
    """Wait for the first byte of a command, as workers do: who starts one has to have its pidfd before it ends."""
    os.set_blocking(down.fileno(), True)
    os.read(down.fileno(), 1)


def exits(up: Connection, down: Connection, code: int) -> None:
    """End with a code as soon as it is told to go."""
    until_told(down)
    os._exit(code)


def raises(up: Connection, down: Connection) -> None:
    """End by an exception that nobody catches, as soon as it is told to go."""
    until_told(down)
    os.close(2)
    raise RuntimeError("meant to happen")


def speaks(up: Connection, down: Connection, data: bytes) -> None:
    """Write bytes and wait to be killed."""
    os.write(up.fileno(), data)
    time.sleep(60)


def speaks_and_dies(up: Connection, down: Connection, data: bytes) -> None:
    """Write bytes and end in the same moment, as soon as it is told to go."""
    until_told(down)
    os.write(up.fileno(), data)
    os.kill(os.getpid(), signal.SIGKILL)


def floods(up: Connection, down: Connection) -> None:
    """Write good messages as fast as the pipe takes them."""
    while True:
        os.write(up.fileno(), ALIVE * 100)


def echoes_size(up: Connection, down: Connection) -> None:
    """Read commands only after a while, and say how many bytes came."""
    time.sleep(0.5)
    os.set_blocking(down.fileno(), True)
    total = 0
    while total < 900_000:
        total += len(os.read(down.fileno(), 65536))
    os.write(up.fileno(), frame(b'{"t":"hello","pid":%d,"marker":"m"}' % total))
    time.sleep(60)


def ignores_terminate(up: Connection, down: Connection) -> None:
    """Ignore SIGTERM and every command."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(up.fileno(), ALIVE)
    time.sleep(60)
