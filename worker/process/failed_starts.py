"""Has a start that fails cost that start alone, and not the forkserver with all its workers. Shell.

CPython's loop (`multiprocessing.forkserver.main`) ends on whatever goes wrong while it takes a request or forks, but
for ECONNABORTED. So the three calls that can fail for want of descriptors, processes or memory become ones that close
what the request brought, tell its sender the error number, and raise that.
"""

from __future__ import annotations

import contextlib
import errno
import multiprocessing.forkserver as forkserver_module
import os
import socket
import time
from multiprocessing import reduction
from types import SimpleNamespace
from typing import Any, Final

ROOM: Final = 8
"""Descriptors that must be left when a request is here: the next one takes seven until it is refused."""
REST: Final = 0.05
"""Seconds to leave a listener alone that can't even be emptied."""
_LEAST: Final = 2
"""The second descriptor of a request is the pipe for our answer."""
_fork: Final = os.fork
_receive: Final = reduction.recvfds
_server: Final[Any] = forkserver_module
_request: list[int] = []
_spare: list[int] = []
_home: int | None = None
"""Pid of the forkserver: workers inherit all this, and there it does nothing."""


def outlive() -> None:
    """Take the place of the calls that the forkserver's loop makes."""
    global _home
    _home = os.getpid()
    _keep_spare()
    os.fork = _fork_or_refuse
    reduction.recvfds = _receive_or_refuse
    _server.socket = SimpleNamespace(socket=_Listener, AF_UNIX=socket.AF_UNIX)


class _Listener(socket.socket):
    """The loop's listener. One more descriptor than are free is at hand to take a caller and hang up."""

    def accept(self) -> tuple[socket.socket, Any]:
        try:
            return super().accept()
        except OSError as error:
            self._turn_away()
            raise _aborted(error) from error

    def _turn_away(self) -> None:
        while _spare:
            os.close(_spare.pop())
        try:
            super().accept()[0].close()
            _keep_spare()
        except OSError:
            time.sleep(REST)


def _receive_or_refuse(sock: socket.socket, size: int) -> list[int]:
    if os.getpid() != _home:
        return _receive(sock, size)
    fds: list[int] = []
    try:
        said, fds, flags, _ = socket.recv_fds(sock, 1, size)
        if not said or flags & socket.MSG_CTRUNC or said[0] != len(fds) % 256:
            raise OSError(errno.EMFILE, "a request came without all of its descriptors")
        _prove_room()
    except Exception as error:
        raise _refuse(fds, error) from error
    _request[:] = fds
    return fds


def _fork_or_refuse() -> int:
    try:
        return _fork()
    except Exception as error:
        if os.getpid() != _home:
            raise
        raise _refuse(_request, error) from error


def _refuse(fds: list[int], error: Exception) -> ConnectionAbortedError:
    """Tell the sender of a request why there will be no worker, and close what it sent."""
    if len(fds) >= _LEAST:
        with contextlib.suppress(OSError):  # who asked has gone
            _server.write_signed(fds[1], -_number(error))
    for fd in fds:
        os.close(fd)
    return _aborted(error)


def _aborted(error: Exception) -> ConnectionAbortedError:
    return ConnectionAbortedError(errno.ECONNABORTED, f"a start failed: {error}")


def _number(error: Exception) -> int:
    """Return the error's number; what has none is a lack of memory."""
    return (error.errno if isinstance(error, OSError) else None) or errno.ENOMEM


def _prove_room() -> None:
    """Raise `OSError` unless some descriptors are free."""
    if not _spare:
        _keep_spare()
    taken: list[int] = []
    try:
        for _ in range(ROOM):
            taken.append(os.dup(_spare[0]))  # noqa: PERF401 (those taken before an error are closed)
    finally:
        for fd in taken:
            os.close(fd)


def _keep_spare() -> None:
    _spare.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
