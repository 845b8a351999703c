"""The place of one worker process over time: queued, started, stopped, killed, gone; never two at once. Shell."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Final, Protocol

from xyfleet.supervisor.common.exits import killed
from xyfleet.supervisor.workers.process import WorkerOwner, WorkerProcess
from xyfleet.supervisor.workers.start_request import Spawned
from xyfleet.worker.ipc.codec import MAX_DOWN, BadMessage, encode
from xyfleet.worker.ipc.messages import Go, Message, Stop
from xyfleet.worker.reasons import Reason, words

STOP_TIMEOUT: Final = 4.0
"""Seconds between the polite stop and SIGKILL."""

HANDLER_STUCK: Final = 4
"""A worker's exit code (`xyfleet.worker.process.runtime`, which nobody but a worker should import)."""

log = logging.getLogger(__name__)


class SlotOwner(WorkerOwner, Protocol):
    """Whose workers these are. All calls return at once."""

    @property
    def name(self) -> str:
        """The name for a worker's process and for the log."""

    def take_turn(self) -> bool:
        """The queue has come to it; return whether a worker is still wanted."""

    def go(self) -> Go:
        """Return the first command of a worker whose process is there."""

    def started(self, child: WorkerProcess) -> None:
        """A worker was started and told to go."""

    def start_failed(self, reason: Reason) -> None:
        """No worker could be started."""

    def ended(self, child: WorkerProcess, why: str) -> None:
        """A worker is proven gone; `why` is a key of `labels.WHY_RESTART`, or `stopped` where that was asked for."""


class WorkerSlot:
    """Holds at most one worker. A new one may start only after the old one is proven gone (its pidfd says so)."""

    def __init__(self, owner: SlotOwner) -> None:
        self.child: WorkerProcess | None = None
        self.stopping = False
        self.request: int | None = None
        """Number of the start that was asked for and still counts; what comes of any other is not told to go."""
        self._owner = owner
        self._gone = asyncio.Event()
        self._gone.set()
        self._kill_alarm: asyncio.TimerHandle | None = None
        self._killed_for: str | None = None

    @property
    def name(self) -> str:
        """The owner's name."""
        return self._owner.name

    def wants_turn(self) -> bool:
        """The queue has come to it: ask the owner whether a worker is still wanted."""
        return self._owner.take_turn()

    def asked(self, request: int) -> None:
        """A process was asked for under this number; `begin` or `fail` will follow, or a new turn."""
        self.request = request

    def begin(self, spawned: Spawned) -> None:
        """The process is there: tell it to go. What it is told may be what fails, for this worker alone."""
        try:
            go = encode(self._owner.go(), MAX_DOWN)
        except BadMessage as error:
            refusal = words(str(error))
        except Exception:
            log.exception("fault before a start account=%s", self.name)
            refusal = Reason("fault")
        else:
            self.request = None
            if self._begun(spawned, go):
                return
            refusal = Reason("fault")
        spawned.close()
        self.fail(refusal)

    def _begun(self, spawned: Spawned, go: bytes) -> bool:
        try:
            self._owner.started(WorkerProcess(spawned, self._owner, go))
        except Exception:
            log.exception("fault at the begin of a worker account=%s", self.name)
            return False
        return True

    def fail(self, reason: Reason) -> None:
        """No worker could be started."""
        self.request = None
        self._owner.start_failed(reason)

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

    def strike_out(self) -> None:
        """The start that was asked for is not wanted any more: a process that comes of it is never told to go."""
        self.request = None

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
        self._owner.ended(child, why)

    async def wait_gone(self) -> None:
        """Wait until no worker lives."""
        await self._gone.wait()


def exit_reason(child: WorkerProcess) -> Reason:
    """Say how a worker's process ended."""
    if child.garbage is not None:
        return Reason("garbage", {"words": child.garbage})
    if child.exit_code is None:
        return Reason("exit_unknown")
    if child.exit_code == HANDLER_STUCK:
        return Reason("exit_stuck", {"status": HANDLER_STUCK})
    if child.exit_code >= 0:
        return Reason("exit_code", {"status": child.exit_code})
    return killed(-child.exit_code)
