"""What one account needs of the fleet around it. Pure (a face)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from xyfleet.supervisor.common.event_log import Kind
from xyfleet.supervisor.supervision.outage import OutageWatch
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import CatchUpRequest, Change, MailFigures, Redone, Sent, TicketRequest

if TYPE_CHECKING:
    from xyfleet.supervisor.supervision.account import SupervisedAccount


class Crew(Protocol):
    """What a member needs of the fleet around it. Every call returns at once."""

    outage: OutageWatch

    @property
    def mail(self) -> MailCrew:
        """Those who see to the messages."""

    def queue_start(self, member: SupervisedAccount) -> None:
        """Start the member's worker when its turn comes."""

    def answer_ticket(self, member: SupervisedAccount, child: WorkerProcess, request: TicketRequest) -> None:
        """Get a ticket, or a refusal, and send it."""

    def run_hook(self, member: SupervisedAccount, cause: Cause, wait: bool) -> None:
        """Run the refresh hook and call `steps.hook_ended`; with `wait` as soon as its cool-down allows."""

    def changed(self, member: SupervisedAccount, change: Change) -> None:
        """The worker's connection changed its state."""

    def failed(self, member: SupervisedAccount, cause: Cause) -> None:
        """The worker is FAILED: call `steps.climb`, now or when it is clear that the fault is not everybody's."""

    def note(self, member: SupervisedAccount, kind: Kind, to: str, **facts: object) -> None:
        """Put an event on record; pairs of `kind` and `to` as in `labels`."""

    def known_user(self, member: SupervisedAccount) -> bool:
        """Whether there ever was a cookie, so that a worker has somebody to be."""

    def void_token(self, member: SupervisedAccount) -> None:
        """Make the next token a new one."""

    def forgive_token(self, member: SupervisedAccount) -> None:
        """Let the next token call be made after risk control."""

    def check_marker(self, member: SupervisedAccount, found: str, imported: list[str]) -> None:
        """Compare a new worker's program with ours."""


class MailCrew(Protocol):
    """What a member needs of those who see to the messages. Every call returns at once."""

    def heard(self, child: WorkerProcess, message: Sent | Redone | CatchUpRequest) -> None:
        """A worker answers a request about messages, or wants its turn to look for missed ones."""

    def reported(self, member: SupervisedAccount, mail: MailFigures) -> None:
        """The worker says how its messages are."""

    def worker_gone(self, member: SupervisedAccount, child: WorkerProcess) -> None:
        """The worker is proven gone: it answers nothing more."""
