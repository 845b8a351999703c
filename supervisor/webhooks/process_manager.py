"""Keeps the webhook process alive while any account has a webhook. Shell.

It is started at the first need, restarted when it dies, told the table anew at each reload, and ended after the
workers. What it writes to standard error goes to the supervisor's own log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Final, NamedTuple, cast

from xyfleet.supervisor.common import own_children
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.webhooks.protocol import Table, encode_table, masked
from xyfleet.worker.text import cut

TOPIC: Final = "webhooks"
"""Its place among the fleet's notes."""
MAX_LINE: Final = 4096
"""Bytes; longer lines of its standard error are left out: cut, they might show half of a secret, unmasked."""
_THREADS: Final = "8"
"""
For name look-ups. libuv takes the number from the environment, where workers are told to have one; here, one name
that is slow to look up would stop them all.
"""

log = logging.getLogger(__name__)


class RestartPace(NamedTuple):
    """How long what may take. Seconds."""

    first: float = 1.0
    """Before the second restart (the first comes at once); doubles each time."""
    most: float = 60.0
    healthy_after: float = 60.0
    """So long a life forgives the deaths before."""
    start: float = 20.0
    """Until it is ready."""
    stop: float = 1.5
    """Between the polite end and SIGKILL; the fleet's end has 2 s for both."""
    look: float = 2.0
    """Between two looks at whether the socket is still there."""


PACE: Final = RestartPace()


def pause(deaths: int, pace: RestartPace) -> float:
    """Return the seconds before the restart after so many deaths in a row."""
    return 0.0 if deaths <= 1 else min(pace.most, pace.first * 2.0 ** min(deaths - 2, 30))


class WebhookProcessManager:
    """One per fleet."""

    def __init__(self, path: Path, fleet: str, notes: MutableMapping[str, Text], pace: RestartPace = PACE) -> None:
        """
        Args:
            path: Where the process makes its socket.
            fleet: The fleet's name; the process answers workers of no other.
            notes: Gets one while the process can't be had.
            pace: How long what may take.
        """
        self._path = path
        self._fleet = fleet
        self._notes = notes
        self._pace = pace
        self._table: Table = {}
        self._needed = asyncio.Event()
        self._process: _Process | None = None

    @property
    def pid(self) -> int | None:
        """The process's id, while it lives."""
        return None if self._process is None or self._process.ended.is_set() else self._process.pid

    def apply(self, table: Table) -> None:
        """Take a new table. Calls that are under way end by the old one."""
        if table == self._table:
            return
        self._table = table
        if table:
            self._needed.set()
        if self._process is not None:
            self._process.tell(table)

    async def run(self) -> None:
        """Keep the process, from the first need on, for ever. Cancelled, it leaves the process to `close`."""
        await self._needed.wait()
        deaths = 0
        while True:
            began = time.monotonic()
            why = await self._life()
            deaths = 1 if time.monotonic() - began >= self._pace.healthy_after else deaths + 1
            wait = pause(deaths, self._pace)
            text = N_("webhooks can't be called, their process failed: %(why)s; it is started again after %(wait)g s")
            self._notes[TOPIC] = Text(text, {"why": why, "wait": wait})
            log.error("%s", self._notes[TOPIC].say("en"))
            await asyncio.sleep(wait)

    async def close(self) -> None:
        """End the process: politely, then by SIGKILL. The workers should be gone by now."""
        if self._process is not None:
            self._process.hang_up()
            try:
                async with asyncio.timeout(self._pace.stop):
                    await self._process.ended.wait()
            except TimeoutError:
                await self._process.kill()
            self._path.unlink(missing_ok=True)

    async def _life(self) -> str:
        """Start the process and wait for its end; return why it ended."""
        try:
            process = await self._start()
        except OSError as error:
            return f"it can't be started: {error.strerror or error}"
        process.tell(self._table)
        try:
            async with asyncio.timeout(self._pace.start):
                await process.ready.wait()
        except TimeoutError:
            await process.kill()
            return f"not ready within {self._pace.start:g} s"
        if not process.ended.is_set():
            self._notes.pop(TOPIC, None)
        while not process.ended.is_set():
            await self._watch(process)
        return process.last_words()

    async def _start(self) -> _Process:
        """Start the process; cancelled meanwhile, there is one all the same, for `close` to end."""
        starting = asyncio.ensure_future(_start(self._path, self._fleet, lambda: self._table))
        try:
            await asyncio.wait([starting])  # not `shield`: Python 3.14.8 logs an error after the cancellation
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                self._process = await starting
            raise
        self._process = await starting
        return self._process

    async def _watch(self, process: _Process) -> None:
        """Wait a while for its end; have it make its socket again if somebody took that away."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pace.look):
                await process.ended.wait()
        if not self._path.exists() and self._path.parent.is_dir():
            process.tell(self._table)


class _Process(asyncio.SubprocessProtocol):
    """The process, and what it says."""

    def __init__(self, table: Callable[[], Table]) -> None:
        self.ready = asyncio.Event()
        """It listens, or has ended."""
        self.ended = asyncio.Event()
        self.pid = 0
        self._table = table
        self._open = {1, 2}
        self._rest = b""
        self._last = ""
        self._transport: asyncio.SubprocessTransport | None = None

    # What it hears.

    def tell(self, table: Table) -> None:
        """Send the table; a process that is ending does not hear it."""
        if not self._pipe().is_closing():
            self._pipe().write(encode_table(table))

    def hang_up(self) -> None:
        """Close its standard input: it ends."""
        self._pipe().close()

    async def kill(self) -> None:
        """End it at once."""
        assert self._transport is not None
        with contextlib.suppress(ProcessLookupError):
            self._transport.kill()
        await self.ended.wait()

    def last_words(self) -> str:
        """Return how it ended."""
        assert self._transport is not None
        code = self._transport.get_returncode() or 0
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        return cut(f"{how} ({self._last})" if self._last else how)

    def _pipe(self) -> asyncio.WriteTransport:
        assert self._transport is not None
        return cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))  # uvloop's own is no subclass

    # What it says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self.pid = self._transport.get_pid()
        own_children.began(self.pid)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self.ready.set()
            return
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: MAX_LINE + 1]
        for line in lines:
            self._log(line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        self._look()

    def process_exited(self) -> None:
        own_children.ended(self.pid)
        self._look()

    def _look(self) -> None:
        """It has ended when the kernel says so and all that it said is read."""
        assert self._transport is not None
        if self._transport.get_returncode() is not None and not self._open and not self.ended.is_set():
            self._log(self._rest)
            self.ended.set()
            self.ready.set()
            self._transport.close()

    def _log(self, line: bytes) -> None:
        text = masked(line.decode(errors="replace").rstrip(), self._table())
        if len(line) > MAX_LINE:
            text = "(a long line, left out)"
        if text:
            self._last = text
            log.warning("webhooks: %s", text)


async def _start(path: Path, fleet: str, table: Callable[[], Table]) -> _Process:
    # -P: a file of the working directory must not stand in for a module.
    words = [sys.executable, "-P", "-m", "xyfleet.supervisor.webhooks"]
    words += ["--socket", os.fspath(path), f"--fleet={fleet}", "--parent-pid", str(os.getpid())]
    env = {name: value for name, value in os.environ.items() if name != "XYFLEET_FORKSERVER"}
    loop = asyncio.get_running_loop()
    # In a session of its own: Ctrl-C at our terminal is ours to handle, and it ends after the workers.
    with own_children.starting():
        _transport, process = await loop.subprocess_exec(
            lambda: _Process(table), *words, env={**env, "UV_THREADPOOL_SIZE": _THREADS}, start_new_session=True
        )
    return process
