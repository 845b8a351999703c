"""Beats the heart of one connection and watches it. Shell.

Source: rules 1 to 6 of docs/heartbeat.md. The decisions are `heartbeat`'s; here are the clock, the timers and
the writing.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from xyfleet.worker.causes import Cause, ConnectionLost
from xyfleet.worker.connection.heartbeat import REARM, HeartbeatTracker, Verdict
from xyfleet.worker.connection.interfaces import SessionListener
from xyfleet.worker.connection.wait import InterruptibleWait
from xyfleet.worker.connection.writer import FrameWriter, WriteFailed
from xyfleet.worker.protocol import frames
from xyfleet.worker.protocol.frames import Response
from xyfleet.worker.protocol.mids import Mids
from xyfleet.worker.reasons import Reason
from xyfleet.worker.settings import Cycle
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.telemetry.metrics import Metrics

GRACE: Final = 0.02
"""
Seconds between a deadline and the look that decides. The loop reads all pending input meanwhile: after a standstill
an answer may lie in the kernel.
"""
STANDSTILL_GRACE: Final = 0.25
"""
The same after a standstill, in which a window of TCP may have filled: until the server has heard that it is open again
a round trip passes without a byte.
"""
LONGEST_GRACE: Final = 0.08
"""As long as input keeps coming the look waits, for so long at most: the answer may lie behind a big frame."""
_SHORTEST_SLEEP: Final = 0.001
"""The loop's clock moves in steps of 1 ms; a shorter sleep returns at once and spins."""
_EARLY: Final = 0.002
"""Seconds by which a timer may fire before its time."""


class Keepalive:
    """One connection's heart at work: `beat()` and `watch()` run side by side until one raises `ConnectionLost`."""

    def __init__(
        self,
        cycle: Cycle,
        outlet: FrameWriter,
        mids: Mids,
        metrics: Metrics,
        log: AccountLog,
        listener: SessionListener,
    ) -> None:
        self._cycle = cycle
        self._outlet = outlet
        self._mids = mids
        self._metrics = metrics
        self._log = log
        self._listener = listener
        self._until_beat = InterruptibleWait()
        self._until_deadline = InterruptibleWait()
        self._proving = False
        self._awaiting_send = False
        self._began = time.monotonic()
        self._heart = HeartbeatTracker(cycle.heartbeat_interval, cycle.heartbeat_timeout, self._began)

    def proven(self) -> bool:
        """Tell whether the connection is old enough and was answered: then all counters of failures end (rule 9)."""
        return self._heart.answered and time.monotonic() - self._began >= self._cycle.stable_after

    def retune(self, cycle: Cycle) -> None:
        """Go on with new settings; beats keep their rhythm unless it is theirs that changed."""
        before, self._cycle = self._cycle, cycle
        rhythm = (cycle.heartbeat_interval, cycle.heartbeat_timeout)
        if rhythm == (before.heartbeat_interval, before.heartbeat_timeout):
            return
        self._heart.retune(cycle.heartbeat_interval, cycle.heartbeat_timeout, time.monotonic())
        self._until_beat.ring()
        self._until_deadline.ring()

    def prove(self, within: float) -> None:
        """Send a beat at once, which is to be answered within so many seconds."""
        self._heart.prove(time.monotonic(), within)
        self._proving = True
        self._until_beat.ring()

    def take(self, response: Response) -> bool:
        """Take a response; return whether it is a beat's."""
        answer = self._heart.answer(response.key, response.ok, time.monotonic())
        if not answer.ours:
            return False
        if answer.settled:
            self._metrics.beats_answered(answer.settled, answer.rtt, time.time())
            self._log.say(log_texts.BEAT_ANSWERED, mid=response.key, rtt_ms=round(answer.rtt * 1000, 1))
            self._listener.beat_answered()
        else:
            self._abnormal(response.key, code=response.code)
        return True

    def take_malformed(self, key: str) -> bool:
        """Take what would be a response if it had a code; return whether it means a beat."""
        ours = self._heart.answer(key, False, time.monotonic()).ours
        if ours:
            self._abnormal(key, reason="malformed: it has no code")
        return ours

    def _abnormal(self, key: str, **why: object) -> None:
        self._metrics.answer_abnormal()
        self._log.say(log_texts.BEAT_ABNORMAL, mid=key, **why)
        self._listener.news()

    async def beat(self) -> None:
        """Send a beat at every point of the grid, whatever else flows."""
        while True:
            left = self._heart.next_beat - time.monotonic()
            if left > _EARLY:
                await self._until_beat.wait(left)
                continue
            self._metrics.beats_due(self._heart.come_due(time.monotonic()))
            drained = await self._outlet.drained()
            if not self._outlet.open:
                # The server began to close and does not finish, or the reader is about to say why it is over.
                self._outlet.abort()
                return
            if drained:
                self._send()
            else:
                self._fail(f"earlier data was not sent within {self._cycle.heartbeat_send_timeout:g} s")

    def _send(self) -> None:
        mid = self._mids.new()
        key = frames.key(mid)
        stamp = time.monotonic()  # from before the write, which is part of the round trip
        try:
            self._outlet.write(frames.heartbeat(mid))
        except WriteFailed as error:
            self._fail(f"not written: {error}")
            return
        self._heart.sent(key, stamp)
        if self._proving or self._awaiting_send:
            self._proving = self._awaiting_send = False
            self._until_deadline.ring()
        self._metrics.beat_sent(time.time())
        self._log.say(log_texts.BEAT_SENT, mid=key)
        self._listener.news()

    def _fail(self, reason: str) -> None:
        self._heart.send_failed(time.monotonic(), self._cycle.heartbeat_retry_delay)
        self._metrics.beat_failed()
        failures = self._heart.failures
        self._log.say(log_texts.BEAT_SEND_FAILED, failures=failures, reason=reason)
        self._listener.news()
        if failures >= self._cycle.max_heartbeat_failures:
            self._log.say(log_texts.BEATS_FAILED, failures=failures)
            raise ConnectionLost(Cause.HEARTBEAT, Reason("beats_not_sent", {"count": failures}))

    async def watch(self) -> None:
        """Sleep to the deadline of the oldest unanswered beat, look, and raise `ConnectionLost` if it still is."""
        while True:
            now = time.monotonic()
            deadline = self._heart.deadline
            if deadline is None:
                # Any beat sent from now on has a later deadline than this.
                await self._until_deadline.wait(self._cycle.heartbeat_timeout)
            elif deadline > now:
                await self._until_deadline.wait(max(deadline - now, _SHORTEST_SLEEP))
            elif self._last_try():
                self._awaiting_send = True
                await self._until_deadline.wait(self._cycle.heartbeat_retry_delay)
            else:
                # A loop that is late has stood still, and has more to read than one that is on time.
                late = now - deadline > GRACE
                await self._read_on(REARM if late else LONGEST_GRACE, STANDSTILL_GRACE if late else GRACE)
                self._look()

    def _last_try(self) -> bool:
        """
        Tell whether the send that may be the last failed one in a row is still to come, or under way.

        It is the third at 31 s of 15/30, one second after the deadline, and it is what the seed wants to be said then.
        """
        return 0 < self._heart.failures == self._cycle.max_heartbeat_failures - 1

    async def _read_on(self, longest: float, quiet: float) -> None:
        """Wait until no input has come for `quiet` seconds, for `longest` at most."""
        end = time.monotonic() + longest
        chunks = -1
        while chunks != self._outlet.chunks and time.monotonic() < end:
            chunks = self._outlet.chunks
            await asyncio.sleep(quiet)

    def _look(self) -> None:
        now = time.monotonic()
        expired = self._heart.expired(now)
        verdict = self._heart.judge(now)
        if verdict is Verdict.REARMED:
            self._log.say(log_texts.HEART_REARMED)
        elif verdict is Verdict.DEAD:
            self._metrics.beats_expired(expired)
            reason = Reason("beats_unanswered", {"seconds": self._cycle.heartbeat_timeout})
            raise ConnectionLost(Cause.HEARTBEAT, reason)
