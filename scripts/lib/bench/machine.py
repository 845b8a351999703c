"""The first lines: on what, with what and when was measured. Shell."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

from xyfleet.worker.version import VERSION

LIBRARIES: Final = ("websockets", "uvloop", "aiohttp", "msgspec", "psutil", "click")
BUSY: Final = 0.25
"""Share of the cores in use, by the load average, from which on other programs spoil the figures."""


def describe() -> dict[str, str]:
    """Return what identifies a measurement; nothing of it names the machine, its user or a folder."""
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()
    busy = " (other programs are at work: figures are worse than they could be)" if load[0] > cores * BUSY else ""
    return {
        "xyfleet": VERSION,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{cores} cores of {_processor()}, {psutil.virtual_memory().total / 2**30:.1f} GiB of memory",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "load average before": " ".join(f"{value:.2f}" for value in load) + busy,
    }


def _processor() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()
