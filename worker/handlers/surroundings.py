"""Makes a worker what ordinary Python code expects its process to be, before the handler is imported. Shell.

A worker is a daemonic child of multiprocessing whose main thread runs uvloop. Code that runs in it is to find a
`sys.stdout` with all its parts, to log, and to start processes in whatever way it likes.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from xyfleet.worker.handlers.stdout import HandlerStdout
from xyfleet.worker.secret import Secret
from xyfleet.worker.telemetry.account_log import AccountLog


@contextlib.contextmanager
def ordinary(log: AccountLog, env: Mapping[str, Secret]) -> Iterator[None]:
    """
    Lead what the handler prints and logs into the account's log, and let it have child processes.

    Args:
        env: Variables that it finds in its environment; `/proc` shows only those that the process began with.
    """
    os.environ.update({name: value.reveal() for name, value in env.items()})
    allow_children()
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.INFO)
    out, err = HandlerStdout(log, "<stdout>"), HandlerStdout(log, "<stderr>")
    _forked.streams = out, err
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield
    finally:
        _forked.streams = None
        root.setLevel(level)


def allow_children() -> None:
    """Take back that this process is daemonic: multiprocessing lets no daemonic process have children."""
    # typeshed does not know `_config`; there is no other way to say it of a process that has begun.
    config: dict[str, Any] = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    config["daemon"] = False


class _Forked:
    """What a forked copy of the worker must not share with it: the log's lock, the loop's signals."""

    streams: tuple[HandlerStdout, HandlerStdout] | None = None
    pipes: tuple[int, ...] = ()
    """Asked for before the fork: in the child their lock may be held for ever, by a thread that is not there."""

    def before(self) -> None:
        """Have the pipes there that the child prints into."""
        self.pipes = tuple(stream.fileno() for stream in self.streams or ())

    def in_child(self) -> None:
        """Let the child print into the pipes, and die of a SIGTERM itself instead of telling the worker's loop."""
        if self.streams is None:
            return
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.stdout, sys.stderr = (
            open(pipe, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115 (for its life)
            for pipe in self.pipes
        )
        root = logging.getLogger()
        root.handlers[:] = [logging.StreamHandler(sys.stderr)]


_forked = _Forked()
os.register_at_fork(before=_forked.before, after_in_child=_forked.in_child)
