"""A thread with an event loop of its own, for code that may block it. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, Final, TypeVar

T = TypeVar("T")

LONGEST_STEP: Final = 2.0
"""Seconds that count between two looks: a process that stood still as a whole says nothing about the thread."""


class LoopThread:
    """
    Runs coroutines for another loop, the one that made it.

    The loop is asyncio's own, not uvloop: uvloop's loops share one pool of threads for name look-ups, of size one in a
    worker, so that a look-up that hangs here would keep the worker from dialling.

    Args:
        stray: Called, in the maker's loop, with an error that nobody waits for.
    """

    def __init__(self, name: str, stray: Callable[[BaseException], None]) -> None:
        self._stray = stray
        self._maker = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._maker.create_future()
        self._loop = asyncio.SelectorEventLoop()
        self._loop.set_exception_handler(self._take_stray)
        self._closing = False
        self._asked = False
        self._looked = 0.0
        self._silence = 0.0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Run the coroutine in the thread; cancelling the future cancels it."""
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    def look(self) -> float:
        """Ask the loop for a sign of life, and return for how many seconds it has been owing one: 0 = it owes none."""
        now = time.monotonic()
        if self._asked:
            self._silence += min(now - self._looked, LONGEST_STEP)
        else:
            self._asked, self._silence = True, 0.0
            self._loop.call_soon_threadsafe(self._answer)
        self._looked = now
        return self._silence

    def stack(self) -> list[FrameType]:
        """Return what the thread executes at the moment, the innermost function last; [] = it is over."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        frames = [] if frame is None else [found for found, _ in traceback.walk_stack(frame)]
        return frames[::-1]

    async def close(self, patience: float) -> None:
        """Cancel everything and end the thread; one that blocks is left alone after `patience` seconds."""
        if not self._closing:
            self._closing = True
            self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.wait((self._ended,), timeout=patience)

    def _answer(self) -> None:
        self._asked = False

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        # `sys.exit()` in a task that the owner's code left ends the loop; the thread goes on.
        while not self._closing:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                self._tell(error)
        while tasks := asyncio.all_tasks(self._loop):
            for task in tasks:
                task.cancel()
            with contextlib.suppress(SystemExit, KeyboardInterrupt):  # the thread ends anyway
                self._loop.run_until_complete(asyncio.wait(tasks))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
        with contextlib.suppress(RuntimeError):  # the maker's loop may be closed by now
            self._maker.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _take_stray(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._tell(context.get("exception") or RuntimeError(context["message"]))

    def _tell(self, error: BaseException) -> None:
        with contextlib.suppress(RuntimeError):  # the maker's loop may be closed by now
            self._maker.call_soon_threadsafe(self._stray, error)


def place(stack: list[FrameType], ours: Callable[[str], bool]) -> str:
    """Return `file:line` of the innermost function in a file that is `ours`, of the innermost of all if none is."""
    if not stack:
        return "an unknown place"
    frame = ([frame for frame in stack if ours(frame.f_code.co_filename)] or stack)[-1]
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
