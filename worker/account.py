"""One account's life: dial, live, lose, wait, dial again, until somebody says stop. Shell.

The only mover of the state table. Rules: docs/heartbeat.md; tickets: docs/decisions.md.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable

from xyfleet.worker.causes import Cause, ConnectionLost
from xyfleet.worker.clock import ClockDrift, ServerClock, Timing, boottime
from xyfleet.worker.connection.interfaces import RpcChannel
from xyfleet.worker.connection.losses import Losses
from xyfleet.worker.connection.pause import DialPause
from xyfleet.worker.connection.renewal import TokenRenewal
from xyfleet.worker.connection.session import KickedOut, Session, TokenRefused
from xyfleet.worker.connection.tickets import TicketClient
from xyfleet.worker.connection.user_turn import UserTurn
from xyfleet.worker.connection.wait import InterruptibleWait, Stopped
from xyfleet.worker.ipc.messages import AboutMessages, Apply, Down, Reconnect, Stop, Ticket
from xyfleet.worker.ipc.pipes import ReportPipe
from xyfleet.worker.messaging.service import MessageService
from xyfleet.worker.protocol.frames import Push
from xyfleet.worker.protocol.mids import Mids
from xyfleet.worker.reasons import Reason
from xyfleet.worker.settings import WorkerSettings
from xyfleet.worker.states import Event, State
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.telemetry.status import AccountStatus
from xyfleet.worker.user_lock import UserLock


class AccountRunner:
    """
    Runs one account. What the supervisor says comes in through `receive()`, what it hears goes out on the pipe.

    Each wait is on the one `InterruptibleWait`, so that a stop ends it with `Stopped`; the flags beside it
    say what else happened.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        carried: Ticket | None,
        pipe: ReportPipe,
        log: AccountLog,
        tls: ssl.SSLContext,
        memory: Callable[[], int | None],
        pace: Timing,
    ) -> None:
        self._settings = settings
        self._log = log
        self._tls = tls
        self._pace = pace
        self._wakeup = InterruptibleWait()
        self._user = UserTurn(
            UserLock(settings.user_lock), self._wakeup, pace.lock_every, lambda where: self._status.elsewhere(where)
        )
        self._desk = TicketClient(pipe.send, self._wakeup, pace, log, carried)
        self._losses = Losses(pace, random.random)
        self._pause = DialPause(self._wakeup, pace.dial_gap)
        self._renewal = TokenRenewal(
            self._desk,
            self._pause,
            self._wakeup,
            self._run_session,
            waits=lambda why: self._status.move(Event.LOST, reason=why),
            goes_on=lambda: self._status.move(Event.DIAL),
        )
        self._mids = Mids(time.time, random.random)
        self._clock = ServerClock()
        self._sleep = ClockDrift(boottime, time.monotonic, pace.suspended_after)
        self._jump = ClockDrift(time.time, boottime, pace.jumped_after)
        self._session: Session | None = None
        self._ended_by: str | None = None  # what ended the last connection, until there is a new one
        self._revived: Reason | None = None  # why FAILED is over
        self._dropped = ("", Reason("stopped"))  # what told the session to leave, and why
        self._farewell = Reason("stopped")
        self._mail = MessageService(
            settings, log, pipe.send, lambda: self._status.reporter.soon(), self._zombie, self._stuck, self._clock
        )
        self._status = AccountStatus(
            pipe, settings.report_interval, log, memory, self._mail.figures, self._tick, self._clock
        )
        self._metrics = self._status.metrics
        self._leave_by: float | None = None  # when to be gone, once it is said that we are to go
        self.handler_stuck: Reason | None = None
        """Why only a new process can call the handler again."""

    # What others tell us.

    def receive(self, message: Down) -> None:
        """Take a command or an answer of the supervisor."""
        if isinstance(message, Stop):
            self.stop(Reason("stopped_by_supervisor"))
        elif isinstance(message, Reconnect):
            self._reconnect(message)
        elif isinstance(message, Apply):
            self._apply(message.settings)
        elif isinstance(message, AboutMessages):
            self._mail.receive(message)
        else:
            self._desk.take(message)

    def stop(self, why: Reason, *, polite: bool = True) -> None:
        """Leave, from whatever state."""
        self._farewell = why
        self._leave_by = self._leave_by or time.monotonic() + self._pace.leave_within
        self._wakeup.stop()
        if self._session is not None:
            self._session.leave(str(why), polite=polite, after=self._mail.rest)

    def registered(self, line: RpcChannel) -> None:
        """The session is registered."""
        self._mail.connected(line)
        if self._ended_by is not None:
            self._metrics.reconnected(self._ended_by, time.monotonic())
        self._status.move(Event.REGISTERED)

    def pushed(self, push: Push, ack: Callable[[], None]) -> None:
        """Something was pushed."""
        self._mail.take(push, ack)

    def odd_frame(self, raw: bytes) -> None:
        """What came is neither a push nor a response."""
        self._mail.odd_frame(raw)

    def beat_answered(self) -> None:
        """A beat was answered: the moment for a report, which then costs no wake-up of its own."""
        self._credit()
        self._status.beat_answered()

    def news(self) -> None:
        """Some figure changed."""
        self._status.reporter.note()

    def _reconnect(self, message: Reconnect) -> None:
        if message.stale:
            self._desk.void()
        if self._session is None or message.drop:
            self._redial(Reason(message.why), "asked", polite=True)
        if self._status.state is State.FAILED:
            self._revived = Reason(message.why)
            self._wakeup.ring()

    def _redial(self, why: Reason, by: str, *, polite: bool) -> None:
        """Have a new connection soon: end the one there is, and the wait for the next attempt."""
        self._pause.hurry()
        if self._session is not None:
            self._dropped = (by, why)
            self._session.leave(str(why), polite=polite, after=self._mail.pause)

    def _apply(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._log.apply(settings.log)
        self._log.say(log_texts.SETTINGS_APPLIED)
        self._status.reporter.interval = settings.report_interval
        self._mail.apply(settings.mail)
        if self._session is not None:
            self._session.apply(settings)
        else:
            self._pause.hurry()

    # The life.

    async def run(self) -> None:
        """Live until stopped. Raises what went wrong in the mailroom, if it was a program error."""
        self._mail.start(lambda: self.stop(Reason("fault")))
        try:
            while True:
                await self._revival()
                await self._pause.wait()
                await self._user.take()
                await self._attempt()
        except Stopped:
            self._status.move(Event.STOPPED, reason=self._farewell)
        finally:
            left = 0.0 if self._leave_by is None else self._leave_by - time.monotonic()
            try:
                await self._mail.end(max(left, self._pace.least_for_mail))
            finally:
                self._status.reporter.close()
                self._user.release()

    async def _revival(self) -> None:
        """After FAILED, wait for somebody who revives the account."""
        if self._status.state is not State.FAILED:
            return
        while self._revived is None:
            await self._wakeup.wait(None)
        self._status.failures = 0
        self._losses.forget()
        self._pause.delay = 0.0
        self._status.move(Event.REVIVED, reason=self._revived)

    async def _attempt(self) -> None:
        """Get a ticket and live through one connection, or fail to."""
        try:
            ticket = await self._desk.get(self._pause.delay)
        except ConnectionLost as lost:
            self._status.move(Event.DIAL)
            self._lose(lost)
            return
        assert ticket is not None
        await self._pause.keep_gap()
        self._pause.begun()
        self._status.move(Event.DIAL)
        try:
            await self._renewal.connect(ticket)
        except ConnectionLost as lost:
            self._lose(lost)
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 (rule 10: any other exception is the cause `bug`, with traceback)
            self._log.bug(error)
            self._lose(ConnectionLost(Cause.BUG, Reason("program_error", {"words": type(error).__name__})))
        else:
            self._drop()

    async def _run_session(self, ticket: Ticket) -> None:
        self._wakeup.check()
        self._status.generation += 1
        self._log.generation = self._status.generation
        self._pause.dialled()
        self._session = Session(
            self._settings, ticket.token, self._tls, self._mids, self._metrics, self._log, self, self._clock
        )
        try:
            # In a task of its own: a TaskGroup may leave a cancel request counted on its task, and with one of those
            # `asyncio.timeout` raises CancelledError instead of TimeoutError before Python 3.11.3.
            await asyncio.create_task(self._session.run())
        finally:
            self._mail.disconnected()
            self._credit()
            self._session = None

    def _credit(self) -> None:
        """End the row of failures once a connection has proven itself (rule 9)."""
        if self._session is not None and self._session.proven:
            self._status.failures = 0

    # Ends.

    def _lose(self, lost: ConnectionLost) -> None:
        """Count a failed attempt or the end of a connection, and say what follows."""
        if isinstance(lost, (TokenRefused, KickedOut)):
            self._desk.void()
        status = self._status
        end = self._losses.add(lost, status.failures, self._settings.cycle, self._mail.trouble, time.monotonic())
        cause, reason = end.lost.cause, end.lost.reason
        self._connection_over(cause.value)
        status.failures, self._pause.delay = end.failures, end.delay
        status.next_attempt = None if end.exhausted else time.time() + end.delay
        status.move(Event.LOST, cause, reason)
        if end.exhausted:
            self._revived = None
            status.move(Event.EXHAUSTED, cause, reason)

    def _drop(self) -> None:
        """Note an end that was asked for; it is no failure."""
        self._wakeup.check()
        by, why = self._dropped
        self._connection_over(by)
        self._pause.delay = 0.0
        self._status.move(Event.LOST, reason=why)

    def _connection_over(self, by: str) -> None:
        if self._status.state is State.CONNECTED:
            self._metrics.lost()
            self._ended_by = by

    # Messages.

    def _zombie(self, reason: Reason, with_new_token: bool) -> None:
        """The connection beats but brings no messages; the known cure is a new one, at last with a new token."""
        if with_new_token:
            self._desk.void()
        self._redial(reason, "zombie", polite=True)

    def _stuck(self, reason: Reason) -> None:
        self.handler_stuck = reason
        self.stop(Reason("handler_stuck", {"words": reason}))

    # What we tell.

    def _tick(self) -> None:
        """Look from time to time, connected or not."""
        slept, jumped = self._sleep.moved(), self._jump.moved()
        if slept is not None and slept > self._pace.suspended_after:
            self._log.say(log_texts.SUSPENDED, seconds=round(slept))
            self._redial(Reason("slept", {"seconds": slept}), "suspend", polite=False)
        elif jumped is not None:
            self._log.say(log_texts.CLOCK_JUMPED, seconds=round(jumped))
            if self._session is not None:
                self._session.prove(self._pace.jump_deadline)
