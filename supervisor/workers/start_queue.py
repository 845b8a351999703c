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

SHORT_LIFE: Final = 3.0
"""A forkserver that dies sooner (in seconds) may do so again: the next launch waits."""
RELAUNCH_PAUSE: Final = 3.0

log = logging.getLogger(__name__)

Cargo = Callable[[SupervisedAccount], tuple[bytes, bytes | None]]
"""Returns the settings and, where a token is in hand, the first ticket of a member's new worker."""


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
        """Queue a member."""
        self._queue.append(member)
        self._work.set()

    async def run(self) -> None:
        """Start workers for ever."""
        while True:
            await self._work.wait()
            if self._dead.is_set():
                await self._relaunch()
            elif self._queue:
                self._start(self._queue.popleft())
                await asyncio.sleep(0)
            else:
                self._work.clear()

    def _start(self, member: SupervisedAccount) -> None:
        if not member.take_turn() or self.closed:
            return
        settings, ticket = self._cargo(member)
        try:
            # Asked of a dead forkserver, multiprocessing would start another one behind our back.
            spawned = self._forkserver.spawn(settings, ticket, member.name) if self._forkserver.alive else None
        except SpawnFailed as error:
            if self._forkserver.alive:
                member.start_failed(str(error))
                return
            spawned = None
        if spawned is None:
            member.runner.orphan()
            return
        member.started(WorkerProcess(spawned, member))

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
        for member in self._members.values():
            if member.child is not None:
                member.runner.orphan()

    def unwatch(self) -> None:
        """Stop listening for the forkserver's end."""
        asyncio.get_running_loop().remove_reader(self._forkserver.pidfd)

    async def _relaunch(self) -> None:
        for member in list(self._members.values()):
            await member.runner.wait_gone()
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
        for member in self._members.values():
            member.start_again()

    def close(self) -> None:
        """End the forkserver; its workers must be gone by now, or go with it."""
        self.unwatch()
        self._forkserver.kill()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._forkserver.pid, 0)
        self._forkserver.close()
