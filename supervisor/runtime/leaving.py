"""The end of the supervisor's process, though a thread of it hangs in a disk that does not answer. Shell.

Python waits for its threads twice: where the loop is closed, and where the interpreter ends. A share whose server is
gone would keep a fleet that has ended from being gone, and systemd from starting the next one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn


class LooseThreads(ThreadPoolExecutor):
    """The loop's threads for what may block. Whoever needs a result at the end waits for that one himself."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go of the threads: `wait` counts for nothing."""
        super().shutdown(wait=False, cancel_futures=True)


def leave(code: int) -> NoReturn:
    """End the process with this exit code, and with it all threads; the log's last lines have a second."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
