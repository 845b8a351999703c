"""Does once, in the forkserver, what every worker does first, and packs what they use. Shell.

What Python and the libraries make at a first use (caches, specialised bytecode, the time zone's table, the room for
titles) is then in memory that all workers share, and what workers write to lies close together. No socket, no event
loop, no thread is left: those must not be there when a process forks.
"""

from __future__ import annotations

import gc
import sqlite3
import ssl
import sys
import traceback
from typing import Final

from xyfleet.worker.prewarm import heap_packing
from xyfleet.worker.prewarm.simulated_life import simulate_life
from xyfleet.worker.process import hardening

_LIVES: Final = 10
"""Python 3.11 specialises code from its ninth run on."""


def warm_up(tls: ssl.SSLContext) -> None:
    """Rehearse and pack. When that fails workers need more memory, and work all the same."""
    hardening.name_process("xyfleet: forkserver")
    try:
        _warm_up(tls)
    except (OSError, sqlite3.Error) as error:
        sys.stderr.write(f"xyfleet: workers will need more memory: no temporary files can be written: {error}\n")
    except Exception:  # noqa: BLE001 (a fault in what only saves memory must not keep all accounts off the air)
        sys.stderr.write(f"xyfleet: workers will need more memory: {traceback.format_exc()}")
    gc.collect()
    heap_packing.fill_holes()


def _warm_up(tls: ssl.SSLContext) -> None:
    used = heap_packing.watch(lambda: simulate_life(1, tls))
    gc.collect()
    heap_packing.fill_holes()
    heap_packing.move(used)
    heap_packing.forget_lookups()
    simulate_life(_LIVES, tls)
