"""Where an account stands: the state and all that is told about it. Pure."""

from __future__ import annotations

from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Change, HeartbeatFigures, Report
from xyfleet.worker.reasons import Reason
from xyfleet.worker.states import Event, State, step


class ConnectionStatus:
    """The state, moved by the table alone, and the figures beside it. Times are wall times."""

    def __init__(self, wall: float) -> None:
        self.state = State.DISCONNECTED
        self.since = wall
        self.generation = 0
        """How many dials there were."""
        self.failures = 0
        """Failed attempts and connections that ended too soon, in a row."""
        self.cause: Cause | None = None
        """The last loss's cause, None while CONNECTED."""
        self.reason: Reason | None = None
        self.next_attempt: float | None = None

    def move(self, event: Event, wall: float, cause: Cause | None = None, reason: Reason | None = None) -> Change:
        """Move along the table and return the change; raise `IllegalTransition` for a bug."""
        old, self.state = self.state, step(self.state, event)
        self.since = wall
        if event in (Event.LOST, Event.REGISTERED):
            self.cause, self.reason = cause, reason
        if self.state is not State.RECONNECTING:
            self.next_attempt = None
        return Change(time=wall, old=old, new=self.state, cause=cause, reason=reason)

    def report(
        self, window: HeartbeatFigures, changes: list[Change], memory: int | None, note: str | None, cpu: float
    ) -> Report:
        """Return the whole state as a message."""
        return Report(
            state=self.state,
            since=self.since,
            generation=self.generation,
            cause=self.cause,
            reason=self.reason,
            failures=self.failures,
            next_attempt=self.next_attempt,
            window=window,
            changes=changes,
            memory=memory,
            note=note,
            cpu=round(cpu, 3),
        )
