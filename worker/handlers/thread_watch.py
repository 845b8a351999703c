"""Watches the thread in which the owner's functions run: does it block, do calls ignore their cancellation? Shell."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from xyfleet.worker.handlers.loader import is_own
from xyfleet.worker.handlers.loop_thread import LoopThread, place
from xyfleet.worker.reasons import Reason
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog


class Limits(NamedTuple):
    """Seconds."""

    look: float = 1.0
    """Between two looks at the thread while it has something to do."""
    grace: float = 1.0
    """After a call's timeout, before a thread that shows no sign of life is said to block."""
    late: float = 5.0
    """After a call's timeout, before a function that ignores its cancellation is named."""
    hang: float = 20.0
    """From being said to block to being given up."""
    retry: float = 60.0
    """Between two imports."""
    end: float = 1.0
    """For the thread to end, before it is taken to block."""
    files: float = 30.0
    """Between two looks at the owner's files."""


class ThreadWatch:
    """
    Looks for as long as there is something to do.

    Args:
        spec: The handler, as its settings name it.
        folder: Where the owner's own code is.
        timeout: Seconds of a call.
        changed: Called when `trouble` has changed.
        stuck: Called with the reason, once, when the thread blocks for good.
    """

    def __init__(
        self,
        thread: LoopThread,
        spec: str,
        folder: str,
        timeout: float,
        limits: Limits,
        log: AccountLog,
        changed: Callable[[], None],
        stuck: Callable[[Reason], None],
    ) -> None:
        self._thread = thread
        self._spec = spec
        self._folder = folder
        self._timeout = timeout
        self._limits = limits
        self._log = log
        self._changed = changed
        self._stuck: Callable[[Reason], None] | None = stuck
        self._blocks: Reason | None = None
        self._ends: dict[asyncio.Future[Any], float] = {}  # calls that are on, and when their time is over
        self._overdue = 0
        self._is_loading = False
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def trouble(self) -> Reason | None:
        """Why it can't be called now, or does not come back from calls."""
        if self._blocks is None and self._overdue:
            return Reason("handler_overdue", {"name": self._spec, "count": self._overdue})
        return self._blocks

    @contextlib.contextmanager
    def calling(self, call: asyncio.Future[Any], timeout: float) -> Iterator[None]:
        """Have a call watched, which may take so many seconds."""
        self._timeout = timeout
        self._ends[call] = time.monotonic() + timeout
        self._look_soon()
        try:
            yield
        finally:
            del self._ends[call]
            self._count_overdue()

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """Have an import watched: one that takes its time is no call that hangs."""
        self._is_loading = True
        self._look_soon()
        try:
            yield
        finally:
            self._is_loading = False

    def close(self) -> None:
        """Look no more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _look_soon(self) -> None:
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self._limits.look, self._look)

    def _look(self) -> None:
        """See whether the thread lives, for as long as it has something to do."""
        self._timer = None
        silence = self._thread.look()
        self._count_overdue()
        limit = self._timeout + self._limits.grace
        if silence <= limit:
            self._say_free()
        elif self._blocks is None:
            self._say_blocked(silence)
        elif silence > limit + self._limits.hang and not self._is_loading and self._stuck is not None:
            stuck, self._stuck = self._stuck, None
            stuck(self._blocks)
        if self._ends or self._is_loading or silence:
            self._look_soon()

    def _say_blocked(self, silence: float) -> None:
        stack = self._thread.stack()
        where = place(stack, functools.partial(is_own, self._folder))
        if self._is_loading:
            self._blocks = Reason("handler_hangs_in_import", {"name": self._spec, "where": where})
        else:
            self._blocks = Reason("handler_blocks", {"name": self._spec, "seconds": silence, "where": where})
        trace = "".join(traceback.format_stack(stack[-1])) if stack else None
        self._log.say(log_texts.HANDLER_BLOCKS, reason=str(self._blocks), traceback=trace)
        self._changed()

    def _say_free(self) -> None:
        if self._blocks is not None:
            self._blocks = None
            self._log.say(log_texts.HANDLER_FREE, handler=self._spec)
            self._changed()

    def _count_overdue(self) -> None:
        now = time.monotonic()
        overdue = sum(now > end + self._limits.late for end in self._ends.values())
        if overdue > self._overdue:
            self._log.say(log_texts.HANDLER_OVERDUE, handler=self._spec, calls=overdue)
        if overdue != self._overdue:
            self._overdue = overdue
            self._changed()
