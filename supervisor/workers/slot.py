"""One account's worker process over time: queued, started, stopped, killed, gone; never two at once. Shell."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Final

from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.ipc.messages import Message, Stop

STOP_TIMEOUT: Final = 5.0
"""Seconds between the polite stop and SIGKILL."""

HANDLER_STUCK: Final = 4
"""A worker's exit code (`xyfleet.worker.process.runtime`, which nobody but a worker should import)."""

Ended = Callable[[WorkerProcess, str], None]
"""Hears of an end that nobody asked for, and why (a key of `labels.WHY_RESTART`)."""


class WorkerSlot:
    """Holds at most one worker. A new one may start only after the old one is proven gone (its pidfd says so)."""

    def __init__(self, ended: Ended) -> None:
        self.child: WorkerProcess | None = None
        self.starts = 0
        """Worker starts so far, operators' excluded."""
        self.queued = False
        """Whether it waits for its turn to start."""
        self.stopping = False
        self.turn_taken = asyncio.Event()
        """Set once the queue has come to it."""
        self._ended = ended
        self._counted = True
        self._then: Callable[[], None] | None = None
        self._gone = asyncio.Event()
        self._kill_alarm: asyncio.TimerHandle | None = None
        self._killed_for: str | None = None
        self._orphan = False

    def take_turn(self) -> None:
        """The queue has come to this worker."""
        self.queued = False
        self.turn_taken.set()

    def started(self, child: WorkerProcess) -> None:
        """Its process was just started."""
        self.child = child
        self.starts += self._counted
        self._counted = True
        self._killed_for = None
        self._gone.clear()

    def do_not_count(self) -> None:
        """The next start is an operator's."""
        self._counted = False

    def send(self, message: Message) -> None:
        """Send a command, if there is somebody to hear it."""
        if self.child is not None:
            self.child.send(message)

    def stop(self, then: Callable[[], None] | None = None) -> None:
        """End the worker politely, with SIGKILL after `STOP_TIMEOUT`; then call `then`, the newest one given."""
        self._then = then
        if self.child is None:
            self._follow_up()
        elif not self.stopping:
            self.stopping = True
            self.child.send(Stop())
            loop = asyncio.get_running_loop()
            self._kill_alarm = loop.call_later(STOP_TIMEOUT, self.child.signal, signal.SIGKILL)

    def kill(self, why: str) -> None:
        """End the worker at once; it counts as an end that nobody asked for."""
        if self.child is not None:
            self._killed_for = why
            self.child.signal(signal.SIGKILL)

    def orphan(self) -> None:
        """The forkserver died: end the worker too; `adopt` says whether it is to be started again."""
        self._orphan = True
        if self.child is not None:
            self.child.signal(signal.SIGKILL)

    def adopt(self) -> bool:
        """The forkserver lives again; return whether its death ended this worker."""
        orphan, self._orphan = self._orphan, False
        return orphan

    def gone(self, child: WorkerProcess) -> None:
        """The process is proven gone."""
        self.child = None
        if self._kill_alarm is not None:
            self._kill_alarm.cancel()
            self._kill_alarm = None
        self._gone.set()
        if self.stopping:
            self.stopping = self._orphan = False
            self._follow_up()
        elif not self._orphan:
            self._ended(child, "garbage" if child.garbage is not None else self._killed_for or "exit")

    async def wait_gone(self) -> None:
        """Wait until no worker lives."""
        if self.child is not None:
            await self._gone.wait()

    def _follow_up(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            then()


def exit_reason(child: WorkerProcess) -> str:
    """Say how a worker's process ended, in words."""
    if child.garbage is not None:
        return f"wrote garbage on its pipe: {child.garbage}"
    if child.exit_code is None:
        return "exit code unknown"
    if child.exit_code == HANDLER_STUCK:
        return f"exit code {HANDLER_STUCK}: the handler blocks, its log says where"
    if child.exit_code >= 0:
        return f"exit code {child.exit_code}"
    number = -child.exit_code
    try:
        return f"killed by {signal.Signals(number).name}"
    except ValueError:
        return f"killed by signal {number}"
