"""All that a worker needs, imported once in the forkserver, which is then shielded, warmed up and frozen. Shell.

A worker reports what it had to import beyond this (`xyfleet.worker.process.shield`). Why each step is there, with
measurements: docs/processes.md 0 and 5.

Importing this module anywhere else has no side effects: the process becomes a shielded forkserver only when its
parent is the process whose pid is in the environment variable `XYFLEET_FORKSERVER`.
"""

from __future__ import annotations

import gc
import importlib
import os
from typing import Final

from xyfleet.worker.prewarm import warmup
from xyfleet.worker.process import failed_starts, hardening, shield

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


if os.environ.get("XYFLEET_FORKSERVER") == str(os.getppid()):
    shield.become_forkserver(int(os.environ["XYFLEET_FORKSERVER"]))
    hardening.name_process("xyfleet: forkserver")
    warmup.warm_up(shield.SSL_CONTEXT, warmup.wanted())
    failed_starts.outlive()
    shield.end_all_after(int(os.environ["XYFLEET_FORKSERVER"]))
    gc.freeze()
    shield.tell_ready()

shield.remember_imports()
