"""All that a worker needs, imported once in the forkserver, frozen, and shielded. Shell.

`multiprocessing.set_forkserver_preload` swallows an ImportError, so a worker reports `MARKER` and whatever it had to
import beyond `PRELOADED`. Why each step is there, with measurements: docs/processes.md 0 and 5.

Importing this module anywhere else has no side effects: the process becomes a shielded forkserver only when its
parent is the process whose pid is in the environment variable `XYFLEET_FORKSERVER`.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import ssl
import sys
from typing import Final

from xyfleet.worker.prewarm.warmup import warm_up
from xyfleet.worker.process import hardening
from xyfleet.worker.process.build_id import build_id

NEEDED: Final = (
    "xyfleet.worker.process.runtime",
    "xyfleet.worker.process.entry",
    # What an inbox and a handler need at their first message.
    "sqlite3",
    "queue",
    "concurrent.futures.thread",
    # What multiprocessing imports after the fork.
    "multiprocessing.connection",
    "multiprocessing.popen_fork",
    "multiprocessing.popen_forkserver",
    "multiprocessing.resource_sharer",
    # What asyncio, websockets and python-socks import at their first connection.
    "asyncio.staggered",
    "encodings.idna",
    "encodings.utf_8",
    "python_socks.async_.asyncio",
    "stringprep",
)
for _name in NEEDED:
    importlib.import_module(_name)

MARKER: Final = build_id()
"""The version and digest of the program files that this forkserver runs."""
SSL_CONTEXT: Final = ssl.create_default_context()
"""The trust store of the system, shared by all workers; one of its own costs each 26 ms and 1.5 MiB."""


def _shield(supervisor: int) -> None:
    """Make this process the fleet's forkserver: nothing but the supervisor's death or a SIGKILL ends it."""
    hardening.die_with(supervisor)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    # Out of the terminal's foreground group; the leader of a session has a group of its own already.
    with contextlib.suppress(PermissionError):
        os.setpgid(0, 0)
    hardening.keep_secrets()
    warm_up(SSL_CONTEXT)
    gc.freeze()


if os.environ.get("XYFLEET_FORKSERVER") == str(os.getppid()):
    _shield(int(os.environ["XYFLEET_FORKSERVER"]))

PRELOADED: Final = len(sys.modules)
"""How many modules a worker finds imported; any after these in `sys.modules` it had to import itself."""
