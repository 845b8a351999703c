"""Has workers started, a few at a time, in the order of their turns; nothing in here waits for a forkserver. Shell."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple

from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.supervisor.workers.forkservers import LATE, Forkservers
from xyfleet.supervisor.workers.slot import WorkerSlot
from xyfleet.supervisor.workers.start_request import ForkserverGone, Spawned, SpawnFailed, StartRequest
from xyfleet.worker.reasons import Reason

AT_ONCE: Final = 8
"""Starts that may be asked for and not answered: enough that the forkserver always has one to do."""
ANSWER_TIMEOUT: Final = 5.0
"""Seconds that a ready forkserver may owe an answer; then another one takes the starts."""
HANG_UP_WAIT: Final = 0.1
"""Seconds from a forkserver's hanging up without an answer to the judgement whether it is dead."""

log = logging.getLogger(__name__)


class _Turn(NamedTuple):
    """A slot's place in the queue."""

    slot: WorkerSlot
    pace: Callable[[], Awaitable[None]] | None
    """Waits for a paced turn; None = at once."""
    due: float | None = None
    """When its paced turn came, once it has."""


class StartQueue:
    """
    The queue of slots whose turn to start has come.

    Args:
        forkserver: The first forkserver.
        slots: Returns all slots of the fleet.
    """

    def __init__(self, forkserver: Forkserver, slots: Callable[[], Iterable[WorkerSlot]]) -> None:
        self._slots = slots
        self._queue: deque[_Turn] = deque()
        self._pacing: dict[WorkerSlot, asyncio.Task[None]] = {}
        """Who waits for a paced turn."""
        self._asked: dict[StartRequest, tuple[WorkerSlot, asyncio.TimerHandle]] = {}
        self._work = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._forkservers = Forkservers(forkserver, self._work.set, self._forkserver_died)
        self.closed = False
        """No worker is started any more."""

    def put(self, slot: WorkerSlot, pace: Callable[[], Awaitable[None]] | None = None) -> None:
        """
        Queue a slot.

        Args:
            pace: Awaited when there is a forkserver for it, and again when its turn went by without one: after a long
                time without any, all would begin at once. Returns when its paced turn has come.
        """
        self._append(_Turn(slot, pace))

    def remove(self, slot: WorkerSlot) -> None:
        """Take a slot out of the queue; it gives its paced turn back."""
        self._queue = deque(turn for turn in self._queue if turn.slot is not slot)
        pacing = self._pacing.pop(slot, None)
        if pacing is not None:
            pacing.cancel()

    def places(self) -> dict[str, int]:
        """Return who waits for a process now, and how many go first. Who waits for a paced turn is not here."""
        first = len(self._asked)
        return {turn.slot.name: first + place for place, turn in enumerate(self._queue)}

    def _append(self, turn: _Turn) -> None:
        self._queue.append(turn)
        self._work.set()

    async def run(self) -> None:
        """Start workers for ever."""
        while True:
            await self._work.wait()
            forkserver = self._forkservers.ready
            if self._queue and forkserver is not None and len(self._asked) < AT_ONCE:
                self._take(forkserver, self._queue.popleft())
                await asyncio.sleep(0)
            else:
                self._work.clear()

    def close(self) -> None:
        """End the forkservers; their workers must be gone by now, or go with them."""
        self.closed = True
        for pacing in self._pacing.values():
            pacing.cancel()
        for request in list(self._asked):
            self._settle(request)
            request.close()
        self._forkservers.close()

    def _take(self, forkserver: Forkserver, turn: _Turn) -> None:
        now = self._loop.time()
        if turn.pace is not None and (turn.due is None or now - turn.due > LATE):
            self._pacing[turn.slot] = asyncio.create_task(self._in_turn(turn, turn.pace))
        else:
            self._ask(forkserver, turn.slot)

    async def _in_turn(self, turn: _Turn, pace: Callable[[], Awaitable[None]]) -> None:
        """Queue a slot again when its paced turn has come; at once where that can't be told."""
        try:
            await pace()
        except Exception:
            # It is this one's trouble, and no reason to lose its turn or the queue.
            log.exception("fault in a turn account=%s", turn.slot.name)
        del self._pacing[turn.slot]
        self._append(turn._replace(due=self._loop.time()))

    def _ask(self, forkserver: Forkserver, slot: WorkerSlot) -> None:
        try:
            if self.closed or not slot.wants_turn():
                return
            request = forkserver.ask(slot.name)
        except SpawnFailed as failure:
            if forkserver.alive:
                slot.fail(failure.reason)
            else:
                self._put_back(slot)
            return
        except Exception:
            # Whatever it is, it is this one's trouble: the others' starts go on.
            log.exception("fault at a start account=%s", slot.name)
            slot.fail(Reason("fault"))
            return
        slot.asked(request.number)
        alarm = self._loop.call_later(ANSWER_TIMEOUT, self._overdue, request, self._loop.time() + ANSWER_TIMEOUT)
        self._asked[request] = (slot, alarm)
        self._loop.add_reader(request.sentinel, self._answered, request)

    def _settle(self, request: StartRequest) -> WorkerSlot:
        """The request waits no more."""
        slot, alarm = self._asked.pop(request)
        alarm.cancel()
        self._loop.remove_reader(request.sentinel)
        self._work.set()
        return slot

    def _answered(self, request: StartRequest) -> None:
        """Take the answer, if there is one."""
        if not request.heard():
            return
        slot = self._settle(request)
        try:
            spawned = request.answer()
        except SpawnFailed as failure:
            if slot.request == request.number:
                slot.fail(failure.reason)
        except ForkserverGone:
            self._loop.call_later(HANG_UP_WAIT, self._hung_up, request, slot)
        else:
            self._begin(request, slot, spawned)

    def _begin(self, request: StartRequest, slot: WorkerSlot, spawned: Spawned) -> None:
        if slot.request == request.number and not self.closed:
            slot.begin(spawned)
        else:
            spawned.close()

    def _hung_up(self, request: StartRequest, slot: WorkerSlot) -> None:
        if slot.request != request.number:
            return
        if self._forkservers.lives(request.forkserver):
            slot.fail(Reason("forkserver_hung_up"))
        else:
            self._put_back(slot)

    def _overdue(self, request: StartRequest, due: float) -> None:
        self._answered(request)  # it may be here, and we are late
        if request not in self._asked:
            return
        if self._loop.time() - due > LATE:
            slot = self._asked[request][0]
            again = self._loop.call_later(ANSWER_TIMEOUT, self._overdue, request, self._loop.time() + ANSWER_TIMEOUT)
            self._asked[request] = (slot, again)
        elif self._forkservers.retire(request.forkserver, f"owes an answer for {ANSWER_TIMEOUT:g} s"):
            self._strike_out(request.forkserver)
        else:
            slot = self._settle(request)
            request.close()
            if slot.request == request.number:
                slot.fail(Reason("start_unanswered", {"seconds": ANSWER_TIMEOUT}))

    def _strike_out(self, forkserver: int) -> None:
        """Whatever this forkserver owes is asked of the next one."""
        for request in [request for request in reversed(self._asked) if request.forkserver == forkserver]:
            slot = self._settle(request)
            request.close()
            if slot.request == request.number:
                self._put_back(slot)

    def _put_back(self, slot: WorkerSlot) -> None:
        """It has done nothing wrong: its turn is the next one."""
        slot.request = None
        self._queue.appendleft(_Turn(slot, None))
        self._work.set()

    def _forkserver_died(self, pid: int) -> None:
        """What it says of its children's ends means nothing now: each worker of it is killed by its own pidfd."""
        self._strike_out(pid)
        for slot in self._slots():
            if slot.child is not None and slot.child.forkserver == pid:
                slot.kill("forkserver")
