"""What an account tells its supervisor: its state, moved by the table alone, and its figures. Shell (pipe, clock)."""

from __future__ import annotations

import time
from collections.abc import Callable

from xyfleet.worker.causes import Cause
from xyfleet.worker.clock import ServerClock
from xyfleet.worker.ipc.figures import Change, MailFigures
from xyfleet.worker.ipc.messages import Report
from xyfleet.worker.ipc.pipes import ReportPipe
from xyfleet.worker.reasons import Reason
from xyfleet.worker.states import Event, State, step
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.telemetry.metrics import Metrics
from xyfleet.worker.telemetry.reporter import StatusReporter


class AccountStatus:
    """
    Holds the state and the metrics, and reports them.

    Args:
        interval: Longest time between two words, seconds.
        memory: Returns the process's bytes, if they are known.
        mail: Returns how the messages are.
        tick: Called from time to time, connected or not.
        clock: The server's.
    """

    def __init__(
        self,
        pipe: ReportPipe,
        interval: float,
        log: AccountLog,
        memory: Callable[[], int | None],
        mail: Callable[[], MailFigures],
        tick: Callable[[], None],
        clock: ServerClock,
    ) -> None:
        self.state = State.DISCONNECTED
        self.since = time.time()
        """Wall time of the last move."""
        self.generation = 0
        """How many dials there were."""
        self.failures = 0
        """Failed attempts and connections that ended too soon, in a row."""
        self.cause: Cause | None = None
        """The last loss's cause, None while CONNECTED."""
        self.reason: Reason | None = None
        self.next_attempt: float | None = None
        """Wall time; None where the next attempt does not wait for a time."""
        self.metrics = Metrics()
        self.reporter = StatusReporter(pipe, interval, self._snapshot, self._look)
        self._log = log
        self._memory = memory
        self._mail = mail
        self._tick = tick
        self._clock = clock
        self._clock_wrong = False
        self._told_note: Reason | None = None
        self.user_elsewhere = False
        """Whether another fleet of this machine has the user, so that nothing is dialled."""

    def move(self, event: Event, cause: Cause | None = None, reason: Reason | None = None) -> None:
        """
        Move along the state table, put it into the log and tell it at once.

        Raises:
            IllegalTransition: the table has no such move; nothing has changed.
        """
        clean = None if reason is None else reason.cleaned(self._log.clean)
        old, self.state = self.state, step(self.state, event)
        self.since = time.time()
        if event in (Event.LOST, Event.REGISTERED):
            self.cause, self.reason = cause, clean
        if self.state is not State.RECONNECTING:
            self.next_attempt = None
        words = None if clean is None else str(clean)
        self._log.say(log_texts.STATE_CHANGED, old=old.value, new=self.state.value, cause=cause, reason=words)
        self.reporter.tell(Change(time=self.since, old=old, new=self.state, cause=cause, reason=clean))

    def elsewhere(self, user_elsewhere: bool) -> None:
        """Another fleet of this machine has the account's user, or has no more."""
        self.user_elsewhere = user_elsewhere
        if user_elsewhere:
            self._log.say(log_texts.USER_ELSEWHERE)
            self.reporter.tell()
        else:
            self.reporter.note()

    def beat_answered(self) -> None:
        """Look, and tell all: a report at a beat costs no wake-up of its own."""
        self._look()
        self.reporter.tell()

    def _snapshot(self, changes: list[Change]) -> Report:
        self._told_note = self._log.note()
        return Report(
            state=self.state,
            since=self.since,
            generation=self.generation,
            cause=self.cause,
            reason=self.reason,
            failures=self.failures,
            next_attempt=self.next_attempt,
            window=self.metrics.window(time.monotonic()),
            changes=changes,
            memory=self._memory(),
            note=self._told_note,
            cpu=round(time.process_time(), 3),
            mail=self._mail(),
            clock=round(self._clock.ahead() or 0.0, 1) if self._clock.known else None,
            user_elsewhere=self.user_elsewhere,
        )

    def _look(self) -> None:
        self._tick()
        ahead = self._clock.ahead()
        if (ahead is not None) != self._clock_wrong:
            self._clock_wrong = ahead is not None
            self._log.say(
                log_texts.CLOCK_RIGHT if ahead is None else log_texts.CLOCK_WRONG,
                ahead=None if ahead is None else round(ahead, 1),
            )
            self.reporter.note()
        if self._log.note() != self._told_note:
            self.reporter.note()
        if self._told_note is not None:
            self._log.try_again()
