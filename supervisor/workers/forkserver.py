"""The forkserver and the start of a worker; the only file that touches private names of CPython. Shell.

Why each trick is needed, with measurements: docs/processes.md. `check()` proves at start that the private names
are still there.
"""

from __future__ import annotations

import multiprocessing as mp
import multiprocessing.forkserver as forkserver_module
import multiprocessing.process as process_module
import os
import select
import signal
import sys
import threading
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final, NamedTuple

from xyfleet.worker.process.entry import run_worker

PRELOAD: Final = "xyfleet.worker.preload"
START_TIMEOUT: Final = 5.0
"""Seconds that one start may take before the forkserver counts as stuck and is killed."""

_server: Final[Any] = forkserver_module._forkserver
_children: Final[Any] = process_module._children  # type: ignore[attr-defined]
_context: Final = mp.get_context("forkserver")


KEPT_ENVIRONMENT: Final = (
    "PATH", "HOME", "USER", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TZ", "TMPDIR", "VIRTUAL_ENV",
    "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XYFLEET_RUN_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
"""What the children inherit; everything else, a `${SHOP_PASSWORD}` above all, stays with the supervisor."""


class SpawnFailed(Exception):
    """The forkserver is dead, stuck or out of resources; no worker was started."""


class Spawned(NamedTuple):
    """A worker that was just started. The holder closes the descriptors and keeps the process object."""

    process: ForkServerProcess
    pid: int
    pidfd: int
    up: int
    """Read end of its reports, non-blocking."""
    down: int
    """Write end of its commands, non-blocking."""


def check() -> None:
    """Raise `RuntimeError` when this Python lacks a private name that supervision stands on."""
    names = ("_forkserver_pid", "_forkserver_address", "ensure_running")
    missing = [name for name in names if not hasattr(_server, name)]
    if missing or not isinstance(_children, set) or not isinstance(_process_config(), dict):
        version = sys.version.split()[0]
        raise RuntimeError(f"multiprocessing of Python {version} lacks what xyfleet needs: {missing or '_children'}")


def _process_config() -> Any:
    """Return where multiprocessing keeps the name of its folder for sockets."""
    return getattr(process_module.current_process(), "_config", None)


def clean_environment() -> dict[str, str]:
    """Drop every variable that children need not see from this process; return the environment as it was."""
    before = dict(os.environ)
    for name in before:
        if name not in KEPT_ENVIRONMENT and not name.startswith("PYTHON"):
            del os.environ[name]
    return before


class Forkserver:
    """The process that all workers are forked from. Make it in the main thread: PDEATHSIG follows the thread."""

    def __init__(self, folder: Path) -> None:
        check()
        self._folder = folder
        self._folder_fd = -1
        self._door = -1
        self.pid = 0
        self.pidfd = -1
        self._starting_since: float | None = None
        _context.set_forkserver_preload([PRELOAD])
        os.environ |= {"XYFLEET_FORKSERVER": str(os.getpid()), "UV_THREADPOOL_SIZE": "1"}
        threading.Thread(target=self._watch_starts, name="forkserver-watch", daemon=True).start()

    def launch(self) -> None:
        """Start the forkserver process; call again only after the old one is gone."""
        self.close()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # a cleaner may have been there
        # Where multiprocessing puts its socket; given like this it leaves no folder of its own to clear away.
        _process_config()["tempdir"] = self._short_path()
        _server.ensure_running()
        self.pid = _server._forkserver_pid
        self.pidfd = os.pidfd_open(self.pid)
        self._keep_door()

    def _short_path(self) -> str:
        """Return a name of the folder that leaves room for multiprocessing's socket: a path may have 107 bytes."""
        if not hasattr(os, "O_PATH"):
            return str(self._folder)
        self._folder_fd = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._folder_fd}"

    def _keep_door(self) -> None:
        """Hold the listener's inode and remove its name: nobody else needs it, and no cleaner can lock us out."""
        if not hasattr(os, "O_PATH"):
            return
        self._door = os.open(_server._forkserver_address, os.O_PATH | os.O_CLOEXEC)
        os.unlink(_server._forkserver_address)
        _server._forkserver_address = f"/proc/self/fd/{self._door}"

    @property
    def alive(self) -> bool:
        """Whether the forkserver process lives; a zombie does not."""
        if self.pidfd < 0:
            return False
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return not poll.poll(0)

    def spawn(self, settings: bytes, ticket: bytes | None, name: str) -> Spawned:
        """
        Start one worker. Blocks for the fork, about a millisecond; a stuck forkserver is killed after 5 s.

        Raises:
            SpawnFailed: the forkserver died or there are no descriptors or processes left.
        """
        up_read, up_write = _context.Pipe(duplex=False)
        down_read, down_write = _context.Pipe(duplex=False)
        process = _context.Process(
            target=run_worker, args=(settings, ticket, up_write, down_read, self.pid), name=name, daemon=True
        )
        self._starting_since = time.monotonic()
        try:
            process.start()
            pid = process.pid
            assert pid is not None
            pidfd = os.pidfd_open(pid)
        except (OSError, EOFError) as error:
            up_read.close()
            down_write.close()
            raise SpawnFailed(f"{type(error).__name__}: {error}") from None
        finally:
            self._starting_since = None
            # Without this every later start() polls all children: quadratic (docs/processes.md 5.1).
            _children.discard(process)
            up_write.close()
            down_read.close()
        return Spawned(process, pid, pidfd, _take(up_read), _take(down_write))

    def kill(self) -> None:
        """Kill the forkserver; its workers follow by PDEATHSIG."""
        if self.pidfd >= 0:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Close our descriptors of a forkserver that is gone."""
        for fd in (self.pidfd, self._door, self._folder_fd):
            if fd >= 0:
                os.close(fd)
        self.pidfd = self._door = self._folder_fd = -1

    def _watch_starts(self) -> None:
        while True:
            time.sleep(START_TIMEOUT / 5)
            since = self._starting_since
            if since is not None and time.monotonic() - since > START_TIMEOUT:
                self._starting_since = None
                self.kill()


def _take(connection: Any) -> int:
    """Return a non-blocking descriptor of our own for a `Connection`, and close that."""
    fd = os.dup(connection.fileno())
    connection.close()
    os.set_blocking(fd, False)
    return fd
