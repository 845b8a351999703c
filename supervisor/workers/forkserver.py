"""One forkserver process, of which workers are asked for without waiting for them. Shell.

Why each trick is needed, with measurements: docs/processes.md.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from xyfleet.supervisor.common import own_children
from xyfleet.supervisor.workers import cpython
from xyfleet.supervisor.workers.start_request import SpawnFailed, StartRequest, describe

ROOM: Final = 8
"""Descriptors that must be free before a start, which needs so many for a moment and keeps four."""
KILL_WAIT: Final = 1.0
"""Seconds to wait for the end of a killed forkserver; one in an uninterruptible wait may take longer."""
_numbers: Final = itertools.count(1)
KEPT_ENVIRONMENT: Final = (
    "PATH", "HOME", "USER", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TZ", "TMPDIR", "VIRTUAL_ENV",
    "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XYFLEET_RUN_DIR", "XYFLEET_PREWARM", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
"""What the children inherit; everything else, a `${SHOP_PASSWORD}` above all, stays with the supervisor."""


def clean_environment() -> dict[str, str]:
    """Drop every variable that children need not see from this process; return the environment as it was."""
    before = dict(os.environ)
    for name in before:
        if name not in KEPT_ENVIRONMENT and not name.startswith("PYTHON"):
            del os.environ[name]
    return before


class Forkserver:
    """
    A process that workers are forked from. Make it in the main thread: PDEATHSIG follows the thread.

    Raises `OSError` when there are no descriptors or processes left for it.
    """

    def __init__(self, folder: Path) -> None:
        cpython.check()
        self.folder = folder
        self.launched = time.monotonic()
        self.ready = False
        """Whether it said that its imports are done. `told` becomes readable when it does."""
        self._retired = False
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            listener = theirs.enter_context(socket.socket(socket.AF_UNIX))
            self._door = _kept(ours, _listen(listener, folder))
            alive, self._alive = _pipe(theirs, ours)
            self.told, telling = _pipe(ours, theirs)
            os.set_blocking(self.told, False)
            self._process = _run(listener.fileno(), alive, telling)
            own_children.began(self._process.pid)
            self.pidfd = _kept(ours, os.pidfd_open(self._process.pid))
            ours.pop_all()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, once it was closed; -N for signal N."""
        return self._process.returncode

    @property
    def age(self) -> float:
        """Seconds since it was launched."""
        return time.monotonic() - self.launched

    @property
    def alive(self) -> bool:
        """Whether the process lives; a zombie does not."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return not poll.poll(0)

    def ask(self, name: str) -> StartRequest:
        """
        Ask for one worker, and return without waiting for it.

        Raises:
            SpawnFailed: the forkserver is dead, or there are too few descriptors.
        """
        try:
            with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
                _prove_room(self.pidfd)
                request = self._ask(name, theirs, ours)
                ours.pop_all()
        except OSError as error:
            raise SpawnFailed(describe(error.errno)) from None
        return request

    def _ask(self, name: str, theirs: contextlib.ExitStack, ours: contextlib.ExitStack) -> StartRequest:
        client = theirs.enter_context(socket.socket(socket.AF_UNIX))
        client.setblocking(False)
        client.connect(f"/proc/self/fd/{self._door}")
        up, up_write = _pipe(ours, theirs)
        down_read, down = _pipe(theirs, ours)
        sentinel, status = _pipe(ours, theirs)
        letter = _kept(theirs, _paper(cpython.letter(name, self.pid)))
        cpython.send_request(client, letter, status, self._alive, up_write, down_read)
        for fd in (up, down, sentinel):
            os.set_blocking(fd, False)
        return StartRequest(self.pid, next(_numbers), up, down, sentinel)

    def retire(self) -> None:
        """Let it end by itself with its last worker: nobody else holds what keeps it alive. No start any more."""
        self._retired = True
        os.close(self._alive)

    def kill(self) -> None:
        """Kill it; its workers follow by PDEATHSIG."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_WAIT)

    def close(self) -> None:
        """Close what belongs to a forkserver that is gone."""
        if self._process.poll() is not None:
            own_children.ended(self.pid)
        for fd in (self.pidfd, self.told, self._door):
            os.close(fd)
        if not self._retired:
            os.close(self._alive)


def _run(listener: int, alive: int, telling: int) -> subprocess.Popen[bytes]:
    # `UV_THREADPOOL_SIZE`: a worker looks up one name at a time. Not in our own environment: we look up many.
    more = {"XYFLEET_FORKSERVER": str(os.getpid()), "XYFLEET_READY": str(telling), "UV_THREADPOOL_SIZE": "1"}
    command = cpython.forkserver_command(listener, alive)
    return subprocess.Popen(command, env=os.environ | more, pass_fds=(listener, alive, telling))


def _listen(listener: socket.socket, folder: Path) -> int:
    """
    Have a socket listen, and return a descriptor of its inode by which it is reached.

    Its name is removed at once: nobody else needs it, and no cleaner can lock us out. The folder is named by a
    descriptor, so that no path is too long: one may have 107 bytes.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # a cleaner may have been there
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        name = f"/proc/self/fd/{place}/forkserver-{next(_numbers)}"
        listener.bind(name)
        try:
            os.chmod(name, 0o600)
            listener.listen()
            return os.open(name, os.O_PATH | os.O_CLOEXEC)
        finally:
            os.unlink(name)
    finally:
        os.close(place)


def _pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[int, int]:
    """Return the ends of a new pipe, each closed by its stack."""
    read, write = os.pipe()
    return _kept(reader, read), _kept(writer, write)


def _kept(stack: contextlib.ExitStack, fd: int) -> int:
    stack.callback(os.close, fd)
    return fd


def _paper(text: bytes) -> int:
    """Return a file in memory with a text: it holds any length at once, where a pipe would wait for its reader."""
    fd = os.memfd_create("letter")
    if os.pwrite(fd, text, 0) != len(text):
        os.close(fd)
        raise OSError(errno.ENOMEM, "no room in memory")
    return fd


def _prove_room(like: int) -> None:
    """Raise `OSError` unless so many descriptors are free that a start leaves some to others."""
    with contextlib.ExitStack() as taken:
        for _ in range(ROOM):
            _kept(taken, os.dup(like))
