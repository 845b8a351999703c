"""Starts workers one after the other, and everything anew when the forkserver dies. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.workers.forkserver import Forkserver, SpawnFailed
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.ipc.codec import BadMessage

SHORT_LIFE: Final = 3.0
"""A forkserver that dies sooner (in seconds) may do so again: the next launch waits."""
RELAUNCH_PAUSE: Final = 3.0

log = logging.getLogger(__name__)

Cargo = Callable[[SupervisedAccount], tuple[bytes, bytes | None]]
"""Returns the settings and, where a token is in hand, the first ticket of an account's new worker."""


class StartQueue:
    """
    The queue of members whose turn to start has come.

    A start takes about a millisecond in which the loop stands still; between two of them it runs freely.
    """

    def __init__(self, forkserver: Forkserver, members: Mapping[str, SupervisedAccount], cargo: Cargo) -> None:
        self._forkserver = forkserver
        self._members = members
        self._cargo = cargo
        self._queue: deque[SupervisedAccount] = deque()
        self._work = asyncio.Event()
        self._dead = asyncio.Event()
        self.closed = False
        """No worker is started any more."""
        self._watch()

    def put(self, member: SupervisedAccount) -> None:
        """Queue an account; its turn comes as the event TURN."""
        if member not in self._queue:
            self._queue.append(member)
        self._work.set()

    def remove(self, member: SupervisedAccount) -> None:
        """Take an account out of the queue."""
        with contextlib.suppress(ValueError):
            self._queue.remove(member)

    async def run(self) -> None:
        """Give turns for ever."""
        while True:
            await self._work.wait()
            if self._dead.is_set():
                await self._relaunch()
            elif self._queue:
                member = self._queue.popleft()
                if not self.closed:
                    member.turn_came()
                await asyncio.sleep(0)
            else:
                self._work.clear()

    def start(self, member: SupervisedAccount, number: int) -> None:
        """Start a worker, and tell the account how that went."""
        try:
            settings, ticket = self._cargo(member)
            if not self._forkserver.alive:
                # Asked of a dead forkserver, multiprocessing would start another one behind our back.
                member.forkserver_gone()
                return
            child = WorkerProcess(self._forkserver.spawn(settings, ticket, member.name), member)
        except (SpawnFailed, BadMessage, OSError) as error:
            if self._forkserver.alive:
                member.start_failed(number, str(error))
            else:
                member.forkserver_gone()
            return
        member.started(child, number)

    def _age(self) -> float:
        return time.monotonic() - self._launched

    def _watch(self) -> None:
        self._launched = time.monotonic()
        asyncio.get_running_loop().add_reader(self._forkserver.pidfd, self._died)

    def _died(self) -> None:
        """
        The forkserver is gone: what it says of its children's ends means nothing now.

        Every worker is killed by its own pidfd; `_relaunch` waits until all are proven gone.
        """
        self.unwatch()
        self._dead.set()
        self._work.set()
        log.error("the forkserver died after %.1f s; its workers are started again", self._age())
        for member in list(self._members.values()):
            member.forkserver_gone()
            member.slot.kill("forkserver")

    def unwatch(self) -> None:
        """Stop listening for the forkserver's end."""
        asyncio.get_running_loop().remove_reader(self._forkserver.pidfd)

    async def _relaunch(self) -> None:
        for member in list(self._members.values()):
            await member.slot.wait_gone()
        if self._age() < SHORT_LIFE:
            await asyncio.sleep(RELAUNCH_PAUSE)
        while True:
            try:
                self._forkserver.launch()
                break
            except OSError as error:
                log.error("cannot start the forkserver: %s", error)
                await asyncio.sleep(RELAUNCH_PAUSE)
        self._watch()
        self._dead.clear()
        self._work.set()

    def close(self) -> None:
        """End the forkserver; its workers must be gone by now, or go with it."""
        self.unwatch()
        self._forkserver.kill()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._forkserver.pid, 0)
        self._forkserver.close()
