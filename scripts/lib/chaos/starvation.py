"""How long a process wanted to run and got no processor: what a crowded machine takes is not the program's. Shell."""

from __future__ import annotations

from pathlib import Path


def starved(pid: int) -> float:
    """Return the seconds that the process' first thread has waited for a processor; 0 where the kernel can't say.

    Source: the second number of `/proc/PID/schedstat` (Linux, Documentation/scheduler/sched-stats).
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
