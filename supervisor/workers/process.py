"""One live worker process as the supervisor holds it: its pipes and its end, nothing blocking. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from typing import Final, Protocol

from xyfleet.supervisor.common import own_children
from xyfleet.supervisor.workers.start_request import Spawned, exit_code
from xyfleet.worker.ipc.codec import MAX_DOWN, MAX_UP, BadMessage, FrameDecoder, decode_up, encode
from xyfleet.worker.ipc.messages import Message, Up

MAX_BACKLOG: Final = 4 * MAX_DOWN
"""Bytes of commands kept for a worker that does not read; a worker that far behind is hung anyway."""
EXIT_CODE_WAIT: Final = 0.05
"""Seconds between a process's end (pidfd) and the forkserver's word on its exit code, at most."""
READ_SIZE: Final = 65536

log = logging.getLogger(__name__)


class WorkerOwner(Protocol):
    """Who hears of a child."""

    def heard(self, child: WorkerProcess, message: Up) -> None:
        """A whole message came."""

    def gone(self, child: WorkerProcess) -> None:
        """The process is proven gone and everything is closed."""


class WorkerProcess:
    """A worker process. `exit_code` is its code, -N for signal N, or None while unknown."""

    def __init__(self, spawned: Spawned, owner: WorkerOwner, go: bytes = b"") -> None:
        self.pid = spawned.pid
        self.forkserver = spawned.forkserver
        """Pid of its parent."""
        self.started = time.monotonic()
        self.last_heard = self.started
        self.exit_code: int | None = None
        self.alive = True
        self.garbage: str | None = None
        self._spawned = spawned
        self._owner = owner
        self._splitter = FrameDecoder(MAX_UP)
        self._backlog = bytearray(go)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(spawned.up, self._read)
        self._loop.add_reader(spawned.pidfd, self._ended)
        self._write()

    def send(self, message: Message) -> bool:
        """
        Queue a command, and return whether it was taken; it goes out as the worker reads.

        A worker that reads nothing loses the newest ones; what can't be encoded goes to nobody.
        """
        if not self.alive:
            return False
        try:
            frame = encode(message, MAX_DOWN)
        except BadMessage as error:
            log.error("pid %d is not told %s: %s", self.pid, type(message).__name__, error)
            return False
        if len(self._backlog) + len(frame) > MAX_BACKLOG:
            log.warning("pid %d does not read its commands", self.pid)
            return False
        self._backlog += frame
        self._write()
        return True

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this very process, never to a later one with its pid."""
        if self.alive:
            # A process that is gone already says so by its pidfd in a moment.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._spawned.pidfd, number)

    def _write(self) -> None:
        waiting = bool(self._backlog)
        try:
            while self._backlog:
                del self._backlog[: os.write(self._spawned.down, self._backlog)]
        except BlockingIOError:
            self._loop.add_writer(self._spawned.down, self._write)
            return
        except BrokenPipeError:
            self._backlog.clear()  # it is going; the pidfd tells the rest
        if waiting:
            self._loop.remove_writer(self._spawned.down)

    def _read(self) -> None:
        try:
            data = os.read(self._spawned.up, READ_SIZE)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._spawned.up)
            return
        self.last_heard = time.monotonic()
        self._deliver(data)

    def _deliver(self, data: bytes) -> None:
        try:
            for body in self._splitter.feed(data):
                self._owner.heard(self, decode_up(body))
        except BadMessage as error:
            # The stream can't be trusted any more, nor can the process that wrote it.
            self.garbage = str(error)
            self._loop.remove_reader(self._spawned.up)
            self.signal(signal.SIGKILL)

    def _ended(self) -> None:
        self._loop.remove_reader(self._spawned.pidfd)
        self._deliver_rest()
        self._loop.add_reader(self._spawned.sentinel, self._finish)
        self._late = self._loop.call_later(EXIT_CODE_WAIT, self._finish)

    def _deliver_rest(self) -> None:
        """Read what it said last; the pipe has an end now."""
        if self.garbage is None:
            while True:
                try:
                    data = os.read(self._spawned.up, READ_SIZE)
                except BlockingIOError:
                    return
                if not data:
                    return
                self._deliver(data)

    def _finish(self) -> None:
        self._late.cancel()
        self._loop.remove_reader(self._spawned.sentinel)
        self.exit_code = exit_code(self._spawned.sentinel)
        self._close()
        self._owner.gone(self)

    def _close(self) -> None:
        self.alive = False
        # Unregister before close, always: a reused number must never be polled for the old owner.
        self._loop.remove_reader(self._spawned.up)
        self._loop.remove_writer(self._spawned.down)
        self._spawned.close()
        own_children.note_death()
