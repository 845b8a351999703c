"""What one account needs of the fleet around it. Pure (a face)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from xyfleet.supervisor.child import Child
from xyfleet.supervisor.events import Kind
from xyfleet.supervisor.outage import OutageWatch
from xyfleet.worker.causes import Cause
from xyfleet.worker.messages import Change, Redone, Sent, TicketRequest

if TYPE_CHECKING:
    from xyfleet.supervisor.member import Member


class Crew(Protocol):
    """What a member needs of the fleet around it. Every call returns at once."""

    outage: OutageWatch

    def queue_start(self, member: Member) -> None:
        """Start the member's worker when its turn comes."""

    def answer_ticket(self, member: Member, child: Child, request: TicketRequest) -> None:
        """Get a ticket, or a refusal, and send it."""

    def run_hook(self, member: Member, cause: Cause, wait: bool) -> None:
        """Run the refresh hook and call `hook_ended`; with `wait` as soon as its cool-down allows."""

    def changed(self, member: Member, change: Change) -> None:
        """The worker's connection changed its state."""

    def failed(self, member: Member, cause: Cause) -> None:
        """The worker is FAILED: call `climb`, now or when it is clear that the fault is not everybody's."""

    def note(self, member: Member, kind: Kind, to: str, **facts: object) -> None:
        """Put an event on record; pairs of `kind` and `to` as in `phrases`."""

    def known_user(self, member: Member) -> bool:
        """Whether there ever was a cookie, so that a worker has somebody to be."""

    def void_token(self, member: Member) -> None:
        """Make the next token a new one."""

    def forgive_token(self, member: Member) -> None:
        """Let the next token call be made after risk control."""

    def check_marker(self, member: Member, found: str, imported: list[str]) -> None:
        """Compare a new worker's program with ours."""

    def worker_gone(self, member: Member, child: Child) -> None:
        """The worker is proven gone: it answers nothing more."""

    def answered(self, child: Child, answer: Sent | Redone) -> None:
        """A worker answered a request about messages."""

    def ask_catch_up(self, child: Child) -> None:
        """Give the worker its turn to look for missed messages, when it comes."""

    def mail_changed(self, account: str) -> None:
        """There is something new in the account's inbox."""

    def handler_trouble(self, member: Member, trouble: str | None) -> None:
        """Why the account's handler can't be called just now; None = it can."""
