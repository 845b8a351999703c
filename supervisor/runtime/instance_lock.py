"""The one right to run a fleet on its state folder. Shell (a flock)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from xyfleet.supervisor.common.i18n import _
from xyfleet.worker.private_files import open_private


class AlreadyRunning(Exception):
    """Another supervisor holds this fleet's lock."""

    def __init__(self, name: str, pid: int | None) -> None:
        self.name = name
        self.pid = pid
        super().__init__(name, pid)

    def __str__(self) -> str:
        text = _("fleet %(name)s is running already (pid %(pid)s); stop it first: xyfleet --fleet %(name)s stop")
        return text % {"name": self.name, "pid": self.pid if self.pid is not None else "?"}


class Lock:
    """
    The one right to run a fleet on its state folder: a flock that the kernel drops with the process.

    Raises:
        AlreadyRunning: another supervisor holds it.
        OSError: the file can't be had.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._file = open_private(path, os.O_RDWR | os.O_CREAT)
        if not self._locked():
            text = os.read(self._file, 32).strip()
            os.close(self._file)
            raise AlreadyRunning(name, int(text) if text.isdigit() else None)
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def _locked(self) -> bool:
        """Try for a fifth of a second: a look at the lock (`registry.is_live`) holds it for some microseconds."""
        for attempt in range(5):
            time.sleep(0.05 * (attempt > 0))
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
        return False

    def release(self) -> None:
        """Let the next one in. The file stays: removing it would let two in at once."""
        os.close(self._file)
