"""How long to wait before dialling again. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from xyfleet.worker.causes import RETRY_CLASS, Cause
from xyfleet.worker.settings import Backoff, Retry

_MAX_DOUBLINGS: Final = 62
"""Far above any cap that means something, and far below the overflow of a float."""


def delay(retry: Retry, cause: Cause, failures: int, random: Callable[[], float]) -> float:
    """
    Return the seconds to wait after the `failures`-th failure in a row.

    The cause chooses the rule (docs/heartbeat.md, rule 10). Jitter only ever cuts the delay, by up to its share, so
    that many accounts that failed at one moment don't dial at one moment, and the cap holds.

    Args:
        random: Returns numbers in [0, 1).
    """
    rule: Backoff = getattr(retry, RETRY_CLASS[cause])
    return _full(rule, retry.growth == "exponential", max(1, failures)) * (1 - retry.jitter * random())


def _full(rule: Backoff, exponential: bool, failures: int) -> float:
    factor = 2 ** min(failures - 1, _MAX_DOUBLINGS) if exponential else failures
    return min(rule.step * factor, rule.max)
