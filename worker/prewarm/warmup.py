"""Does once, in the forkserver, what every worker does first, and spares workers what they would write to. Shell.

What Python and the libraries make at a first use (caches, specialised bytecode, the time zone's table) is then in
memory that all workers share. No socket, no event loop, no thread is left: those must not be there when a process
forks. It can be left out, whole or in part: workers then need more memory, and do the same.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
import ssl
import sys
import traceback
from collections.abc import Collection
from typing import Final

from xyfleet.worker.prewarm import heap_packing, immortal
from xyfleet.worker.prewarm.simulated_life import simulate_life

SWITCH: Final = "XYFLEET_PREWARM"
"""Environment variable: the parts that are wanted, with commas; `off` for none. Without it all are."""
PARTS: Final = ("lives", "code", "immortal", "holes")
_LIVES: Final = 10
"""Python 3.11 specialises code from its ninth run on."""


def wanted() -> Collection[str]:
    """Return the parts that the environment asks for, and take the variable out of it."""
    words = os.environ.pop(SWITCH, None)
    return PARTS if words is None else words.split(",")


def warm_up(tls: ssl.SSLContext, parts: Collection[str] = PARTS) -> None:
    """
    Live lives, with the code that they run laid side by side; make all immortal; fill the holes.

    What fails costs memory, and is told.
    """
    if "lives" in parts:
        _live(tls, parts)
    try:
        _make_immortal(parts)
    except immortal.Refused as error:
        _tell(str(error))
    if "holes" in parts:
        heap_packing.fill_holes()


def _live(tls: ssl.SSLContext, parts: Collection[str]) -> None:
    try:
        if "code" in parts:
            used = heap_packing.watch(lambda: simulate_life(1, tls))
            # Python 3.14 notes in code, for good, which of its constants it must count: the copies are to run without.
            with contextlib.suppress(immortal.Refused):  # it is tried again, and told
                _make_immortal(parts)
            heap_packing.fill_holes()  # so that the copies lie in untouched memory
            heap_packing.move(used)
        heap_packing.forget_lookups()
        simulate_life(_LIVES, tls)
    except (OSError, sqlite3.Error) as error:
        _tell(f"no temporary files can be written: {error}")
    except Exception:  # noqa: BLE001 (a fault in what only saves memory must not keep all accounts off the air)
        _tell(traceback.format_exc())


def _make_immortal(parts: Collection[str]) -> None:
    gc.collect()
    if "immortal" in parts and immortal.possible():
        immortal.make_immortal()


def _tell(why: str) -> None:
    sys.stderr.write(f"xyfleet: workers will need more memory: {why}\n")
