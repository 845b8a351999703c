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
"""Hears of the end of the worker, and why it came (a key of `labels.WHY_RESTART`, or `stopped`)."""


class WorkerSlot:
    """Holds at most one worker. A new one may start only after the old one is proven gone (its pidfd says so)."""

    def __init__(self, ended: Ended) -> None:
        self.child: WorkerProcess | None = None
        self.stopping = False
        self._ended = ended
        self._gone = asyncio.Event()
        self._gone.set()
        self._kill_alarm: asyncio.TimerHandle | None = None
        self._killed_for: str | None = None

    def started(self, child: WorkerProcess) -> None:
        """Its process was just started."""
        self.child = child
        self.stopping = False
        self._killed_for = None
        self._gone.clear()

    def send(self, message: Message) -> None:
        """Send a command, if there is somebody to hear it."""
        if self.child is not None:
            self.child.send(message)

    def stop(self) -> None:
        """End the worker politely, with SIGKILL after `STOP_TIMEOUT`."""
        if self.child is not None and not self.stopping:
            self.stopping = True
            self.child.send(Stop())
            loop = asyncio.get_running_loop()
            self._kill_alarm = loop.call_later(STOP_TIMEOUT, self.child.signal, signal.SIGKILL)

    def kill(self, why: str) -> None:
        """End the worker at once, for a reason (a key of `labels.WHY_RESTART`)."""
        if self.child is not None:
            self._killed_for = why
            self.child.signal(signal.SIGKILL)

    def gone(self, child: WorkerProcess) -> None:
        """The process is proven gone."""
        why = "garbage" if child.garbage is not None else self._killed_for or "exit"
        if self.stopping:
            why = "stopped"
        self.child = None
        self.stopping = False
        if self._kill_alarm is not None:
            self._kill_alarm.cancel()
            self._kill_alarm = None
        self._gone.set()
        self._ended(child, why)

    async def wait_gone(self) -> None:
        """Wait until no worker lives."""
        await self._gone.wait()


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
