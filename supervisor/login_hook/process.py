"""One run of a hook's process, from start to the last of its descendants. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, cast

from xyfleet.supervisor.common import own_children

MAX_OUTPUT: Final = 64 * 1024
"""Most bytes that a hook may write to standard output."""
END_TIMEOUT: Final = 6.0
"""Seconds that the guard may take to end the hook; its own grace and last fence are shorter."""
_GUARD: Final = Path(__file__).with_name("guard.py")


class Ended(NamedTuple):
    """How it ended."""

    code: int
    """Exit code, or minus the signal."""
    output: bytes
    stopped: Literal["hangs", "floods"] | None
    """Why we ended it; None = by itself."""


class _Talk(asyncio.SubprocessProtocol):
    def __init__(self, on_stderr: Callable[[bytes], None]) -> None:
        self.output = bytearray()
        self.flooded = False
        self.exited = asyncio.Event()
        self.over = asyncio.Event()
        """It has ended and all is read, or it floods."""
        self._open = {1, 2}
        self._on_stderr = on_stderr
        self._pid = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._pid = cast(asyncio.SubprocessTransport, transport).get_pid()
        own_children.began(self._pid)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._on_stderr(data)
        elif not self.flooded:
            self.output += data
            if len(self.output) > MAX_OUTPUT:
                self.flooded = True
                self.over.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        self._look()

    def process_exited(self) -> None:
        own_children.ended(self._pid)
        self.exited.set()
        self._look()

    def _look(self) -> None:
        if self.exited.is_set() and not self._open:
            self.over.set()


async def execute(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    folder: Path,
    stdin: bytes,
    timeout: float,
    on_stderr: Callable[[bytes], None],
) -> Ended:
    """Run a command to its end, or end it after `timeout` seconds. Raises `OSError` when nothing can be started.

    Cancelled, it ends the command first.
    """
    loop = asyncio.get_running_loop()
    guarded = [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), *command]
    with own_children.starting():
        transport, talk = await loop.subprocess_exec(
            lambda: _Talk(on_stderr), *guarded, env=env, cwd=folder, start_new_session=True
        )
    stopped: Literal["hangs", "floods"] | None = None
    try:
        _give(transport, stdin)
        async with asyncio.timeout(timeout):
            await talk.over.wait()
    except TimeoutError:
        stopped = "hangs"
    finally:
        await _end(transport, talk)
    if talk.flooded:
        stopped = "floods"
    code = transport.get_returncode()
    return Ended(-signal.SIGKILL if code is None else code, bytes(talk.output), stopped)


def _give(transport: asyncio.SubprocessTransport, data: bytes) -> None:
    """Write to the hook's stdin and close it. A hook that does not read it is no fault."""
    pipe = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))  # uvloop's own is no subclass of it.
    # uvloop raises it where its pipe is closed already, as it is when the hook has ended by now.
    with contextlib.suppress(RuntimeError):
        pipe.write(data)
        pipe.write_eof()


async def _end(transport: asyncio.SubprocessTransport, talk: _Talk) -> None:
    """Let nothing of it live on."""
    try:
        if transport.get_returncode() is None:
            transport.terminate()  # The guard hears it, and does the rest.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_TIMEOUT):
                    await talk.exited.wait()
    finally:
        if transport.get_returncode() in (None, -signal.SIGKILL):
            # The guard is stuck, or somebody killed it: its group may live on, and keeps its number meanwhile.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(transport.get_pid(), signal.SIGKILL)
        transport.close()
