"""The private names of CPython's multiprocessing that starts of workers stand on, all in this file. Shell.

`check()` proves at start that they are there. Why each trick is needed, with measurements: docs/processes.md.
"""

from __future__ import annotations

import inspect
import io
import multiprocessing as mp
import multiprocessing.forkserver as forkserver_module
import os
import socket
import sys
from multiprocessing import context, reduction, resource_tracker, util
from typing import Any, Final, cast

from xyfleet.worker.process.entry import run_worker

_PROGRAM: Final = (
    "import sys; sys.path[:] = {path!r}; import xyfleet.worker.preload; "
    "from multiprocessing.forkserver import main; main({listener}, {alive}, [])"
)
"""Not by `set_forkserver_preload`: that swallows an ImportError, and 3.11 does not take our `sys.path` over."""
_SIGNED: Final = forkserver_module.SIGNED_STRUCT
_context: Final = mp.get_context("forkserver")
_reduction: Final[Any] = reduction
_tracker: Final[Any] = getattr(resource_tracker, "_resource_tracker", None)
_util: Final[Any] = util
_SENDER: Final[Any] = object()
"""Processes are pickled for somebody who starts them; what they need of it is sent beside."""


def check() -> None:
    """Raise `RuntimeError` when this Python lacks a private name that supervision stands on."""
    names: dict[Any, tuple[str, ...]] = {
        forkserver_module: ("main", "SIGNED_STRUCT", "write_signed", "get_inherited_fds"),
        context: ("set_spawning_popen",),
        reduction: ("dump", "recvfds"),
        resource_tracker: ("getfd", "_resource_tracker"),
        util: ("_args_from_interpreter_flags",),
    }
    wanted = [(module, name) for module, some in names.items() for name in some]
    missing = [f"{module.__name__}.{name}" for module, name in wanted if not hasattr(module, name)]
    if list(inspect.signature(forkserver_module.main).parameters)[:3] != ["listener_fd", "alive_r", "preload"]:
        missing.append("multiprocessing.forkserver.main(listener_fd, alive_r, preload)")
    if missing:
        raise RuntimeError(f"multiprocessing of Python {sys.version.split()[0]} lacks what xyfleet needs: {missing}")


def tracker_pid() -> int | None:
    """Return the pid of multiprocessing's resource tracker, a child of ours that it starts when it likes."""
    pid: int | None = getattr(_tracker, "_pid", None)
    return pid


def forkserver_command(listener: int, alive: int) -> list[str]:
    """
    Return the command of a forkserver.

    Args:
        listener: Descriptor of its listening socket.
        alive: Read end of the pipe whose end ends it: workers hold the other end too.
    """
    flags: list[str] = _util._args_from_interpreter_flags()
    return [sys.executable, "-P", *flags, "-c", _PROGRAM.format(path=sys.path, listener=listener, alive=alive)]


def letter(name: str, forkserver: int) -> bytes:
    """Return what a new child of the forkserver (its pid) reads first; `name` is the process's."""
    process = _context.Process(target=run_worker, args=(forkserver,), name=name, daemon=True)
    text = io.BytesIO()
    context.set_spawning_popen(_SENDER)
    try:
        _reduction.dump({}, text)  # Nothing of ours has changed since the forkserver began.
        _reduction.dump(process, text)
    finally:
        context.set_spawning_popen(None)
    return text.getvalue()


def send_request(client: socket.socket, letter: int, status: int, alive: int, up: int, down: int) -> None:
    """
    Ask a forkserver for a child; all but `client` are descriptors for the other side.

    Args:
        client: Connected to its listener.
        letter: What the child reads first.
        status: Write end of the pipe for its pid, or a refusal, and later its exit code (`read_number`).
        alive: Write end of the pipe that keeps the forkserver.
        up: Write end of its reports.
        down: Read end of its commands.
    """
    tracker = cast(int, resource_tracker.getfd())  # It starts the tracker where none runs: never None.
    fds = [letter, status, alive, tracker, up, down]
    # As `reduction.sendfds` does it, which since Python 3.14 waits for a byte that says that they came.
    socket.send_fds(client, [bytes([len(fds) % 256])], fds)


def read_number(status: int) -> int | None:
    """Return the next number on a status pipe, None while there is none. Raises `EOFError` at its end."""
    try:
        data = os.read(status, _SIGNED.size)
    except BlockingIOError:
        return None
    if not data:
        raise EOFError
    number: int = _SIGNED.unpack(data)[0]
    return number
