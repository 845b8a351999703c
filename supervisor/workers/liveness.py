"""Is a silent worker hung, or is it the machine? Pure.

Evidence: a liveness kill because the whole box was short of CPU is the classic own goal (docs/processes.md 2, row 18),
so the first look must rule that out before a worker is killed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

LAG_SMALL: Final = 1.0
"""Seconds of our own loop's lateness under which our view of others' silence can be trusted."""
MANY: Final = 3
SHARE: Final = 0.3
MORE_TIMEOUTS: Final = 3
"""How many further timeouts an excuse is good for."""
RUN_WAIT_SHARE: Final = 0.2
"""Share of the time since the last look that a task waited for a CPU, from which it counts as starved."""


class Verdict(Enum):
    """What to do about one worker."""

    FINE = "fine"
    WAIT = "wait"
    HUNG = "hung"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSigns:
    """What was seen of one silent worker."""

    silent_for: float
    """Seconds since its last report, our own stops not counted."""
    own_lag: float
    """Lateness of the supervisor's own loop, seconds."""
    disk_sleep: bool
    """Whether the kernel holds the process in an uninterruptible wait."""
    run_wait: float
    """Seconds it waited for a CPU since the look before."""
    watched_for: float
    """Seconds since the look before."""
    silent: int
    """How many workers are silent at this moment."""
    workers: int


def judge(look: WorkerSigns, timeout: float) -> Verdict:
    """Return the verdict on one worker; `timeout` is `hang_timeout` in seconds."""
    if look.silent_for < timeout:
        return Verdict.FINE
    if look.silent_for >= timeout * (1 + MORE_TIMEOUTS) and look.own_lag < LAG_SMALL:
        return Verdict.HUNG
    return Verdict.WAIT if _excused(look) else Verdict.HUNG


def _excused(look: WorkerSigns) -> bool:
    starved = look.watched_for > 0 and look.run_wait >= RUN_WAIT_SHARE * look.watched_for
    everybody = look.silent >= MANY and look.silent >= SHARE * look.workers
    return look.own_lag >= LAG_SMALL or look.disk_sleep or starved or everybody
