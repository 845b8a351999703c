"""A start that was asked for, and its answer, which comes as an event. Shell."""

from __future__ import annotations

import errno
import os
from typing import Final, NamedTuple

from xyfleet.supervisor.workers.cpython import read_number
from xyfleet.worker.reasons import Reason, words

_HUNG_UP: Final = 0


class SpawnFailed(Exception):
    """No worker was started; the reason says what was lacking."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(str(reason))


class ForkserverGone(Exception):
    """The forkserver hung up without an answer: it is dead, or about to be found dead."""


class Spawned(NamedTuple):
    """A worker that was just started, as numbers. The holder closes the four descriptors."""

    pid: int
    pidfd: int
    up: int
    """Read end of its reports, non-blocking."""
    down: int
    """Write end of its commands, non-blocking."""
    sentinel: int
    """Brings its exit code (`exit_code`) when the forkserver has reaped it; non-blocking."""
    forkserver: int
    """Pid of its forkserver, with which it dies."""

    def close(self) -> None:
        """Close the descriptors; a worker that was not told to go ends then."""
        for fd in (self.pidfd, self.up, self.down, self.sentinel):
            os.close(fd)


def exit_code(sentinel: int) -> int | None:
    """Return a worker's exit code, -N for signal N, if its forkserver told it by now."""
    try:
        return read_number(sentinel)
    except EOFError:
        return None


def describe(number: int | None) -> Reason:
    """Return an error number as its name and its meaning."""
    return words(f"{errno.errorcode.get(number or 0, number)}: {os.strerror(number or 0)}")


class StartRequest:
    """
    A start that was asked for. `sentinel` becomes readable when there is an answer.

    Whoever asked takes the answer (`answer`) or strikes it out (`close`): a worker does nothing before it is told to
    go, and ends when the pipe that would tell it is closed, however late it is forked.
    """

    def __init__(self, forkserver: int, number: int, up: int, down: int, sentinel: int) -> None:
        self.forkserver = forkserver
        self.number = number
        self.sentinel = sentinel
        self._up = up
        self._down = down
        self._pid: int | None = None

    def heard(self) -> bool:
        """Whether the answer has come; call it once more only after a no."""
        try:
            self._pid = read_number(self.sentinel)
        except EOFError:
            self._pid = _HUNG_UP
        return self._pid is not None

    def answer(self) -> Spawned:
        """
        Return the worker once the answer was heard; its descriptors are the caller's then.

        Raises:
            SpawnFailed: there will be none, or it is gone already; everything is closed.
            ForkserverGone: the forkserver hung up; everything is closed.
        """
        assert self._pid is not None, "not heard yet"
        try:
            if self._pid == _HUNG_UP:
                raise ForkserverGone
            if self._pid < 0:
                raise SpawnFailed(Reason("forkserver", {"of": describe(-self._pid)}))
            return self._take(self._pid)
        except (ForkserverGone, SpawnFailed):
            self.close()
            raise

    def close(self) -> None:
        """Strike the start out."""
        for fd in (self._up, self._down, self.sentinel):
            os.close(fd)

    def _take(self, pid: int) -> Spawned:
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            raise SpawnFailed(describe(error.errno)) from None
        try:
            code = read_number(self.sentinel)
        except EOFError:
            os.close(pidfd)
            raise ForkserverGone from None
        if code is not None:  # reaped by now, so that the pidfd may be another process's
            os.close(pidfd)
            raise SpawnFailed(Reason("ended_at_once", {"status": code}))
        return Spawned(pid, pidfd, self._up, self._down, self.sentinel, self.forkserver)
