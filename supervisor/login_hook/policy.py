"""When the refresh hook may run, and what its answer means. Pure.

Source: docs/decisions.md, "The refresh hook". A login is the riskiest act there is, so every start of
the hook counts, whatever came of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Final

import msgspec

from xyfleet.supervisor.common.exits import killed
from xyfleet.supervisor.common.rate_limit import DAY, free_at, growing, recent
from xyfleet.supervisor.credentials.record import Attempt
from xyfleet.supervisor.login_hook.output import NoJson
from xyfleet.supervisor.login_hook.output import answer as output_answer
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.secret import Secret
from xyfleet.worker.text import cut

LONGEST_COOLDOWN: Final = 6 * 3600.0
LONGEST_RETRY_AFTER: Final = DAY
"""A hook that asks for more has mixed up its units."""
CANNOT_START: Final = "cannot be started: "
"""The guard's words of it, before the system's."""
NOT_STARTED: Final = 126
"""The exit code (a shell's, too) of a hook that could not be started; with an error as JSON: the guard's word."""


class NewCookie(msgspec.Struct, frozen=True):
    """A new login."""

    cookie: Secret
    user_agent: str | None = None
    """The browser that it was made in, where the hook names one."""


class NothingToChange(msgspec.Struct, frozen=True):
    """The hook found nothing to mend; counts as success."""


class Failed(msgspec.Struct, frozen=True):
    """No new cookie."""

    reason: Reason
    """As the hook said it: to be masked, and cut then (`service`)."""
    retry_after: float | None = None
    """Seconds; lengthens the cool-down, never shortens it."""
    needs_human: bool = False
    ran: bool = True
    """False: the hook could not even be started, so no login happened."""


Result = NewCookie | NothingToChange | Failed


def next_allowed(history: Sequence[Attempt], now: float, *, cooldown: float = 600.0, budget: int = 6) -> float | None:
    """Return the wall time from which the hook may run again, None when it may now.

    The cool-down counts from the start of the last attempt and doubles with each further failure in a row. A hook that
    could not be started waits the plain cool-down and uses up none of the day's budget.
    """
    if not history:
        return None if budget > 0 else now + DAY
    last = history[-1]
    failures = sum(
        1 for _ in takewhile(lambda attempt: not attempt.ok, (each for each in reversed(history) if each.ran))
    )
    pause = growing(cooldown, max(cooldown, LONGEST_COOLDOWN), failures) if last.ran else cooldown
    allowed = min(last.start, now) + max(pause, cooldown)
    if last.not_before is not None:
        allowed = max(allowed, min(last.not_before, now + LONGEST_RETRY_AFTER))
    allowed = max(allowed, free_at(_runs(history), now, budget) if budget > 0 else now + DAY)
    return allowed if allowed > now else None


def left_today(history: Sequence[Attempt], now: float, *, budget: int = 6) -> int:
    """Return how many runs the last 24 hours leave."""
    return max(0, budget - len(recent(_runs(history), now)))


def _runs(history: Sequence[Attempt]) -> list[float]:
    return [attempt.start for attempt in history if attempt.ran]


def understand(code: int, output: bytes) -> Result:
    """Say what a hook that ended by itself means, from its exit code (negative: the signal) and standard output."""
    if code < 0:
        return Failed(killed(-code))
    try:
        answer = output_answer(output)
    except NoJson:
        return Failed(_exit(code) if code else Reason("hook_no_json" if output.strip() else "hook_nothing"))
    if isinstance(answer, dict) and "error" in answer:
        return _error(answer, code)
    if code:
        return Failed(_exit(code))
    if not isinstance(answer, dict):
        return Failed(Reason("hook_no_object", {"words": type(answer).__name__}))
    if not answer:
        return NothingToChange()
    cookie = answer.get("cookie")
    if not isinstance(cookie, str) or not cookie:
        return Failed(Reason("hook_cookie_no_text" if "cookie" in answer else "hook_no_cookie"))
    agent = answer.get("user_agent")
    return NewCookie(Secret(cookie), agent if isinstance(agent, str) else None)


def _error(answer: dict[str, Any], code: int) -> Failed:
    error, wish, human = (answer.get(key) for key in ("error", "retry_after", "needs_human"))
    if not isinstance(error, str):
        return Failed(Reason("hook_error_no_text"))
    if wish is not None and (isinstance(wish, bool) or not isinstance(wish, int | float) or wish < 0):
        return Failed(Reason("hook_retry_no_seconds"), needs_human=human is True)
    return Failed(
        _said(error, code),
        retry_after=None if wish is None else float(min(wish, LONGEST_RETRY_AFTER)),
        needs_human=human is True,
        ran=code != NOT_STARTED,
    )


def _said(error: str, code: int) -> Reason:
    """Return the hook's own words, or the guard's about a hook that could not be started."""
    if code == NOT_STARTED and error.startswith(CANNOT_START):
        return Reason("hook_not_started", {"words": error.removeprefix(CANNOT_START)})
    return words(error) if cut(error) else Reason("hook_error_empty")


def _exit(code: int) -> Reason:
    return Reason("exit_code", {"status": code})
