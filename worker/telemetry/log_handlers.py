"""Where log lines end up: a rotating file, or a stream that is never waited for; the thread that writes them. Shell.

A sink never raises. What it could not write is counted in `lost`, and `trouble` says why until writing works again.
"""

from __future__ import annotations

import _thread
import contextlib
import errno
import itertools
import os
import select
import socket
import stat
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from xyfleet.worker.private_files import open_private


class Sink(Protocol):
    """Takes whole lines."""

    lost: int
    """Lines not written since writing last worked."""
    trouble: str | None
    """What the system said about it."""

    def write(self, line: bytes) -> None:
        """Write one line, its newline included."""

    def close(self) -> None:
        """Let go of the descriptor."""


MOST_WAITING: Final = 1_000_000
"""Bytes of lines that wait for a disk at one time; what comes beyond is counted as lost."""
STUCK_AFTER: Final = 2.0
"""Seconds that one write may take before a person should know."""


class Outlet:
    """A sink, and how many of its lines there was no room for while it did not come forward."""

    def __init__(self, sink: Sink, lost_line: Callable[[int], bytes]) -> None:
        self.sink = sink
        self.refused = 0
        """So far; grows in the threads that say something, under the log's lock."""
        self._lost_line = lost_line
        self._told = 0

    def write(self, line: bytes) -> None:
        """Write a line, before it how many were lost; an empty one tries whether that can be said now."""
        refused = self.refused
        lost = self.sink.lost + refused - self._told
        if lost:
            self.sink.write(self._lost_line(lost) + line)
            if not line and self.sink.lost:
                self.sink.lost -= 1  # nothing more was lost
        else:
            self.sink.write(line)
        if not self.sink.lost:
            self._told = refused


class LineWriter:
    """
    Writes lines in a thread of its own, so that a disk that takes its time holds up nobody but its own lines.

    The thread begins with the first line. It is a bare one: what `threading` keeps of a thread costs 200 KiB of memory
    that workers otherwise share (docs/decisions.md, the log).
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Outlet, bytes | None]] = deque()
        self._taken = 0  # bytes, grows in the threads that say something, under the log's lock
        self._done = 0  # bytes, grows in the thread
        self._since: float | None = None
        self._begun = self._ending = False
        self._bell = _thread.allocate_lock()
        self._bell.acquire()
        self._ended = _thread.allocate_lock()

    def put(self, outlet: Outlet, line: bytes) -> None:
        """Have a line written; one that there is no room for is lost. Calls exclude each other (the log's lock)."""
        if self._taken - self._done + len(line) > MOST_WAITING:
            outlet.refused += 1
            return
        self._taken += len(line)
        self._waiting.append((outlet, line))
        self._wake()

    def close(self, outlet: Outlet) -> None:
        """Have a sink closed behind its lines; the last one to be put of it."""
        self._waiting.append((outlet, None))
        self._wake()

    def stuck(self) -> bool:
        """Tell whether a write takes too long."""
        since = self._since
        return since is not None and time.monotonic() - since > STUCK_AFTER

    def idle(self) -> bool:
        """Tell whether all that was put is written, or counted as lost."""
        return self._taken == self._done

    def end(self, within: float) -> bool:
        """Write what waits and end the thread; return whether that was done in time. Nothing is put after it."""
        if not self._begun:
            return True
        self._ending = True
        self._ring()
        return self._ended.acquire(timeout=within)

    def _wake(self) -> None:
        if not self._begun:
            self._begun = True
            self._ended.acquire()
            _thread.start_new_thread(self._run, ())
        self._ring()

    def _ring(self) -> None:
        # A bell that is rung already, and not heard yet, says all there is to say.
        with contextlib.suppress(RuntimeError):
            self._bell.release()

    def _run(self) -> None:
        try:
            while self._waiting or not self._ending:
                self._bell.acquire()
                while self._waiting:
                    self._since = time.monotonic()
                    self._write(*self._waiting.popleft())
                self._since = None
        finally:
            self._ended.release()

    def _write(self, outlet: Outlet, line: bytes | None) -> None:
        if line is None:
            outlet.sink.close()
        else:
            outlet.write(line)
            self._done += len(line)


class RotatingFile:
    """
    A file of at most `max_bytes`, and `backups` older ones beside it as `.1`, `.2`, …

    It is made at the first line, for the owner's eyes only, and made again when somebody removes it or renames it;
    one that somebody cuts to nothing is written from its beginning.
    """

    def __init__(self, path: str, max_bytes: int, backups: int) -> None:
        self.lost = 0
        self.trouble: str | None = None
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._fd = -1
        self._torn = False
        """The file ends in half a line, of ours or of a process that was killed."""

    def write(self, line: bytes) -> None:
        """Write one line, after making room for it where needed."""
        try:
            self._make_ready(len(line))
            self._append(line)
        except OSError as error:
            self.close()
            self.lost += 1
            self.trouble = error.strerror or str(error)
        else:
            self.lost = 0
            self.trouble = None

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._fd >= 0:
            # A network file system may report a late write error here; the file is closed all the same.
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._fd = -1

    def _append(self, line: bytes) -> None:
        # The rest that a full disk left of a line is closed off, so that every later line is whole.
        data = b"\n" + line if self._torn else line
        self._torn = os.write(self._fd, data) < len(data)
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _make_ready(self, size: int) -> None:
        if self._fd < 0:
            self._open()
        state = os.fstat(self._fd)
        if not self._is_at_path(state):
            self.close()
            self._open()
        elif state.st_size and state.st_size + size > self._max_bytes:
            self._rotate()

    def _is_at_path(self, state: os.stat_result) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), state)
        except FileNotFoundError:
            return False

    def _open(self) -> None:
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        self._fd = open_private(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        size = os.fstat(self._fd).st_size
        self._torn = size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"

    def _rotate(self) -> None:
        self.close()
        names = [self._path, *(f"{self._path}.{number}" for number in range(1, self._backups + 1))]
        for old, new in reversed(list(itertools.pairwise(names))):
            with contextlib.suppress(FileNotFoundError):
                os.replace(old, new)
        if not self._backups:
            os.unlink(self._path)
        self._open()


class StreamSink:
    """
    Standard output or error, shared with other processes, which is never waited for.

    The descriptor itself must stay blocking for the others. So a pipe or terminal is opened anew for writing without
    blocking, a socket is sent to without blocking, and a file, which never blocks, is written as it is. Where opening
    anew is not possible, a line is written when poll says that there is room.
    """

    def __init__(self, fd: int) -> None:
        self.lost = 0
        self.trouble: str | None = None
        self._fd = fd
        self._own = -1
        self._socket: socket.socket | None = None
        self._poll: select.poll | None = None
        self._torn = False
        """The last line ended in the middle: the next one begins on a line of its own."""
        with contextlib.suppress(OSError):  # of a closed one: the first line that is lost says why
            self._prepare(os.fstat(fd).st_mode)

    def write(self, line: bytes) -> None:
        """Write the line, or drop it; up to `PIPE_BUF` bytes go out whole (pipe(7))."""
        data = b"\n" + line if self._torn else line
        try:
            written = self._write(data)
            self._torn = 0 < written < len(data)
            if written < len(data):
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        except OSError as error:
            self.lost += 1
            self.trouble = error.strerror or str(error)
            return
        self.lost = 0
        self.trouble = None

    def close(self) -> None:
        """Close what was opened for us; the shared descriptor stays."""
        if self._own >= 0:
            os.close(self._own)
            self._own = -1
        if self._socket is not None:
            self._socket.close()

    def _prepare(self, mode: int) -> None:
        if stat.S_ISSOCK(mode):
            self._socket = socket.socket(fileno=os.dup(self._fd))
        elif stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            self._poll = select.poll()
            self._poll.register(self._fd, select.POLLOUT)
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            self._own = os.open(f"/proc/self/fd/{self._fd}", flags)

    def _write(self, line: bytes) -> int:
        if self._socket is not None:
            return self._socket.send(line, socket.MSG_DONTWAIT)
        if self._own >= 0:
            return os.write(self._own, line)
        if self._poll is None or self._has_room():
            return os.write(self._fd, line)
        raise BlockingIOError(errno.EAGAIN, "its reader is too slow")

    def _has_room(self) -> bool:
        assert self._poll is not None
        return any(events & select.POLLOUT for _, events in self._poll.poll(0))
