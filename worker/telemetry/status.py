"""What an account tells its supervisor: its state, moved by the table alone, and its figures. Shell (pipe, clock)."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from xyfleet.worker.causes import Cause
from xyfleet.worker.clock import ServerClock
from xyfleet.worker.ipc.messages import Change, MailFigures, Report
from xyfleet.worker.ipc.pipes import ReportPipe
from xyfleet.worker.reasons import Reason
from xyfleet.worker.states import Event
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.telemetry.connection_status import ConnectionStatus
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
        self.standing = ConnectionStatus(time.time())
        self.metrics = Metrics()
        self.reporter = StatusReporter(pipe, interval, self._snapshot, self._look)
        self._log = log
        self._memory = memory
        self._mail = mail
        self._tick = tick
        self._clock = clock
        self._clock_wrong = False
        self._told_note: str | None = None
        self.user_elsewhere = False
        """Whether another fleet of this machine has the user, so that nothing is dialled."""

    def move(self, event: Event, cause: Cause | None = None, reason: Reason | None = None) -> None:
        """Move along the state table, put it into the log and tell it at once."""
        clean = None if reason is None else reason.cleaned(self._log.clean)
        change = self.standing.move(event, time.time(), cause, clean)
        words = None if clean is None else str(clean)
        self._log.say(log_texts.STATE_CHANGED, old=change.old.value, new=change.new.value, cause=cause, reason=words)
        self.reporter.tell(change)

    def beat_answered(self) -> None:
        """Look, and tell all: a report at a beat costs no wake-up of its own."""
        self._look()
        self.reporter.tell()

    def _snapshot(self, changes: list[Change]) -> Report:
        window = self.metrics.window(time.monotonic())
        self._told_note = self._log.note()
        report = self.standing.report(window, changes, self._memory(), self._told_note, time.process_time())
        ahead = round(self._clock.ahead() or 0.0, 1) if self._clock.known else None
        return msgspec.structs.replace(report, mail=self._mail(), clock=ahead, user_elsewhere=self.user_elsewhere)

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
