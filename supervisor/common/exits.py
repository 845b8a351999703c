"""How a process ended, as a reason. Pure."""

from __future__ import annotations

import signal

from xyfleet.worker.reasons import Reason


def killed(number: int) -> Reason:
    """Return the reason of a process that a signal ended."""
    try:
        return Reason("killed", {"words": signal.Signals(number).name})
    except ValueError:
        return Reason("killed_by_number", {"number": number})
