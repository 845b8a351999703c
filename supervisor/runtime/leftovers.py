"""Ends what handlers of an earlier fleet have left, when everybody was killed who would have ended it. Shell.

The forkserver and the supervisor each end what is left of the other's (docs/processes.md 5.3); when both are killed
within a moment, nobody does. Whose fleet a process is of tells its environment: the forkserver's names the supervisor,
and so does a helper's (`common.own_children`), as a trial of a handler is.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MARK: Final = re.compile(rb"(?:^|\0)XYFLEET_(?:FORKSERVER|HELPER_OF)=(\d+)(?:\0|$)")
_OURS: Final = b"xyfleet: "
"""How the command lines of forkserver and workers begin: these end by themselves."""
ROUNDS: Final = 5
"""Looks, each after the kills of the one before: what those have started meanwhile."""

log = logging.getLogger(__name__)


def end_leftovers() -> None:
    """Kill processes of this user whose supervisor is no more. What can't be looked at is left alone."""
    for _ in range(ROUNDS):
        found = list(_leftovers())
        for process in found:
            log.warning("pid %s was left behind by a fleet that was killed; it is killed", process.name)
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGKILL)
        if not found:
            return


def _leftovers() -> Iterator[Path]:
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:  # no Linux, or one that shows nothing of its processes
        return
    for process in Path("/proc").iterdir():
        # Another user's, one that hides its memory, or one that has just ended.
        with contextlib.suppress(OSError):
            if process.name.isdigit() and process.stat().st_uid == os.geteuid() and _is_left(process, space):
                yield process


def _is_left(process: Path, space: str) -> bool:
    mark = _MARK.search((process / "environ").read_bytes())
    if mark is None or os.readlink(process / "ns" / "pid") != space:  # a container's numbers are not ours
        return False
    return _is_gone(int(mark[1])) and not (process / "cmdline").read_bytes().startswith(_OURS)


def _is_gone(pid: int) -> bool:
    """Whether there is no such process, or it is not reaped yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return True
    return stat.rpartition(b")")[2].split()[0] in (b"Z", b"X")
