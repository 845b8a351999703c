"""What the refresh hook writes to standard error: redacted, in `<account>.hook.log`, never too much. Shell."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Final

from xyfleet.supervisor.common.event_log import stamp
from xyfleet.supervisor.login_hook.redaction import Redactor
from xyfleet.worker.telemetry.log_handlers import RotatingFile
from xyfleet.worker.text import printable

MAX_FILE: Final = 512 * 1024
"""Bytes of the file; one older file stays beside it."""
MAX_RUN: Final = 256 * 1024
"""Bytes of standard error that are taken from one run."""
_log: Final = logging.getLogger("xyfleet.hook")


class HookLog:
    """One run's lines. With no folder they go to the supervisor's own log.

    `feed`, `say` and `end` return at once; the work, masking too, is done by `writer`, an executor of one thread.
    """

    def __init__(self, account: str, folder: Path | None, redactor: Redactor, writer: Executor) -> None:
        self._account = account
        self._sink = None if folder is None else RotatingFile(str(folder / f"{account}.hook.log"), MAX_FILE, backups=1)
        self._redactor = redactor
        self._writer = writer
        self._room = MAX_RUN
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take bytes of standard error."""
        if self._room > 0:
            taken = data[: self._room]
            self._room -= len(taken)
            self._later(self._take, taken)

    def say(self, text: str, now: float) -> None:
        """Write a line of our own, free of secrets, with the time (`now` is wall time)."""
        self._later(self._put, f"{stamp(now)} xyfleet: {text}")

    def end(self, text: str, now: float) -> None:
        """Nothing more comes: write what is left, a last line of our own, and let go of the file."""
        self._later(self._end, self._room <= 0)
        self.say(text, now)
        if self._sink is not None:
            self._later(self._close, self._sink)

    def _later(self, work: Callable[..., None], *args: object) -> None:
        # Reading the result puts a fault in our own code on record; else nobody would ever see it.
        self._writer.submit(work, *args).add_done_callback(lambda done: done.result())

    # In the writer's thread.

    def _take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._put(self._masked(line))

    def _end(self, cut: bool) -> None:
        if self._rest:
            self._put(self._masked(self._rest))
        if cut:
            self._put("(more than one run may write: the rest is left out)")

    def _close(self, sink: RotatingFile) -> None:
        if sink.trouble is not None:
            _log.warning("%s.hook.log: %d lines not written: %s", self._account, sink.lost, sink.trouble)
        sink.close()

    def _masked(self, line: bytes) -> str:
        return self._redactor.line(line.decode("utf-8", "replace").rstrip("\r"))

    def _put(self, text: str) -> None:
        if self._sink is None:
            _log.info("%s: %s", self._account, printable(text))
        else:
            self._sink.write(f"{printable(text)}\n".encode())
