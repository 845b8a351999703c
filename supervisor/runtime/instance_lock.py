"""The one right to run a fleet on its state folder. Shell (a flock)."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from pathlib import Path

from xyfleet.supervisor.common.i18n import _
from xyfleet.worker.private_files import open_private

log = logging.getLogger(__name__)


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
        self._name = name
        self._file = self._take()

    def keep(self) -> None:
        """
        Take the lock anew if its file was removed or replaced meanwhile; one that can't be had now is tried again.

        Raises:
            AlreadyRunning: another supervisor holds what is there now.
        """
        with contextlib.suppress(OSError):
            found, ours = None, os.fstat(self._file)
            with contextlib.suppress(FileNotFoundError):
                found = self.path.stat()
            if found is not None and (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino):
                return
            taken, old = self._take(), self._file
            self._file = taken
            os.close(old)
            log.warning("the lock %s was removed or replaced; it is ours again", self.path)

    def release(self) -> None:
        """Let the next one in. The file stays: removing it would let two in at once."""
        os.close(self._file)

    def _take(self) -> int:
        file = open_private(self.path, os.O_RDWR | os.O_CREAT)
        try:
            if not _locked(file):
                text = os.read(file, 32).strip()
                raise AlreadyRunning(self._name, int(text) if text.isdigit() else None)
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            os.close(file)
            raise
        return file


def _locked(file: int) -> bool:
    """Try for a fifth of a second: a look at the lock (`registry.is_live`) holds it for some microseconds."""
    for attempt in range(5):
        time.sleep(0.05 * (attempt > 0))
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False
