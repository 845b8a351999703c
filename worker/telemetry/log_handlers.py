"""Where log lines end up: a rotating file, or a stream that is never waited for. Shell.

A sink never raises. What it could not write is counted in `lost`, and `trouble` says why until writing works again.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import select
import socket
import stat
from typing import Protocol

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


class RotatingFile:
    """
    A file of at most `max_bytes`, and `backups` older ones beside it as `.1`, `.2`, …

    It is made at the first line, for the owner's eyes only, and made again when somebody removes it.
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
        if state.st_nlink == 0:
            self.close()
            self._open()
        elif state.st_size and state.st_size + size > self._max_bytes:
            self._rotate()

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
        with contextlib.suppress(OSError):
            self._prepare(os.fstat(fd).st_mode)

    def write(self, line: bytes) -> None:
        """Write the line, or drop it; up to 4096 bytes go out whole (pipe(7))."""
        try:
            self._write(line)
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

    def _write(self, line: bytes) -> None:
        if self._socket is not None:
            self._socket.send(line, socket.MSG_DONTWAIT)
        elif self._own >= 0:
            os.write(self._own, line)
        elif self._poll is None or self._has_room():
            os.write(self._fd, line)
        else:
            raise BlockingIOError(errno.EAGAIN, "its reader is too slow")

    def _has_room(self) -> bool:
        assert self._poll is not None
        return any(events & select.POLLOUT for _, events in self._poll.poll(0))
