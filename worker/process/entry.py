"""The entry of a worker process: what multiprocessing calls after the fork. Shell.

The supervisor imports this module for the name of the function alone, so everything heavy is imported inside it: in a
worker it is there already (`xyfleet.worker.preload`).
"""

from __future__ import annotations

import os
import signal
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from xyfleet.worker.ipc.messages import Go

_MOST_NAMES: Final = 40
"""So many modules are named in the first message; it must fit into one write."""
_NOT_WANTED: Final = 0
_LAST_WORK: Final = 1.0
"""Seconds for what the handler's processes left."""


def run_worker(forkserver_pid: int) -> None:
    """
    Run one account until told to stop; leaves the process with the exit code of `xyfleet.worker.process.runtime`.

    The two descriptors that came with the start are the pipe for our reports and the one for our commands. Nothing is
    done before the first command, `Go`: a start that comes too late finds that pipe closed and ends (a forkserver that
    was stopped for an hour carries out then what it was asked for).

    Args:
        forkserver_pid: Our parent; when it dies, so do we.
    """
    # The forkserver ignores these signals, and children inherit that. A hang-up is not ours to die of.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    from xyfleet.worker.ipc import messages
    from xyfleet.worker.process import descendants, hardening, runtime, shield

    hardening.die_with(forkserver_pid)
    # Whom a handler's process kills with its whole group, or leaves behind, is this worker's own.
    os.setpgid(0, 0)
    hardening.adopt()
    hardening.keep_secrets()
    hardening.limit_files()
    fds = forkserver.get_inherited_fds()
    assert fds is not None
    up, down = fds
    go = first_command(down)
    if go is None:
        os._exit(_NOT_WANTED)
    hardening.name_process(f"xyfleet: {go.settings.account}")
    imported = shield.imported_since(most=_MOST_NAMES)
    hello = messages.Hello(pid=os.getpid(), marker=shield.MARKER, imported=imported)
    life = runtime.WorkerRuntime(go.settings, go.ticket, hello, shield.SSL_CONTEXT)
    code = life.run(up, down)
    if code == runtime.SUPERVISOR_GONE:
        descendants.end_all(_LAST_WORK)  # so is whoever would end what the handler started, unless the forkserver can
    # Nothing is left to be done after it that the kernel does not do, and faster.
    os._exit(code)


def first_command(down: int) -> Go | None:
    """Wait for who this worker is to be; None: nobody wants it any more."""
    from xyfleet.worker.ipc import codec

    body = _read(down, int.from_bytes(_read(down, 4), "big"))
    return codec.decode_go(body) if body else None


def _read(fd: int, size: int) -> bytes:
    """Wait for exactly so many bytes, so that what follows them stays in the pipe; none at its end."""
    data = b""
    while len(data) < size:
        more = os.read(fd, size - len(data))
        if not more:
            return b""
        data += more
    return data
