"""Has the loop's own stack written to the log folder when it stands still. Shell (faulthandler)."""

from __future__ import annotations

import contextlib
import faulthandler
import os
from pathlib import Path
from typing import Final

from xyfleet.worker.private_files import open_private

NAME: Final = "supervisor.stack.log"
AFTER: Final = 30.0
"""Seconds of standstill."""
MAX_BYTES: Final = 65_536
"""Old stacks with which a new supervisor still begins."""
_STDERR: Final = 2


class Standstill:
    """
    An alarm clock that the loop winds up again and again; when it does not, all threads' stacks are written.

    Args:
        folder: Where `supervisor.stack.log` is made; None, or a folder that can't be had: standard error.
    """

    def __init__(self, folder: Path | None, after: float = AFTER) -> None:
        self._path = None if folder is None else folder / NAME
        self._after = after
        self._fd = _STDERR
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._fd = open_private(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                if os.fstat(self._fd).st_size > MAX_BYTES:
                    os.ftruncate(self._fd, 0)

    def wind(self) -> None:
        """The loop turns: the alarm is `after` seconds from now."""
        faulthandler.dump_traceback_later(self._after, file=self._fd)

    def close(self) -> None:
        """No alarm any more; a file that stayed empty goes."""
        faulthandler.cancel_dump_traceback_later()
        if self._path is not None and self._fd != _STDERR:
            empty = os.fstat(self._fd).st_size == 0
            os.close(self._fd)
            self._fd = _STDERR
            if empty:
                self._path.unlink(missing_ok=True)
