"""One account's steps, with a crew that only writes down what it is asked for."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any, cast

import pytest

from xyfleet.supervisor.settings import Account
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_state import Process
from xyfleet.supervisor.supervision.outage import OutageWatch
from xyfleet.supervisor.supervision.restart_policy import Ladder, RestartRules
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import (
    CatchUpRequest,
    Change,
    Hello,
    MailFigures,
    Message,
    Reconnect,
    Redone,
    Report,
    Sent,
    Stop,
    TicketRequest,
)
from xyfleet.worker.states import State


class Letters:
    """The crew's part for messages, in the same book."""

    def __init__(self, asked: list[tuple[str, Any]]) -> None:
        self.asked = asked

    def heard(self, child: WorkerProcess, message: Sent | Redone | CatchUpRequest) -> None:
        """Write down."""
        self.asked.append(("heard", message))

    def reported(self, member: SupervisedAccount, mail: MailFigures) -> None:
        """Write down what is not empty."""
        if mail != MailFigures():
            self.asked.append(("mail", mail))

    def worker_gone(self, member: SupervisedAccount, child: WorkerProcess) -> None:
        """Not written down."""


class Book:
    """A crew that writes down."""

    def __init__(self) -> None:
        self.outage = OutageWatch()
        self.asked: list[tuple[str, Any]] = []
        self.mail = Letters(self.asked)
        self.notes: list[tuple[str, str, dict[str, Any]]] = []
        self.user = True

    def queue_start(self, member: SupervisedAccount) -> None:
        """Write down."""
        self.asked.append(("start", None))

    def answer_ticket(self, member: SupervisedAccount, child: WorkerProcess, request: TicketRequest) -> None:
        """Write down."""
        self.asked.append(("ticket", request))

    def run_hook(self, member: SupervisedAccount, cause: Cause, wait: bool) -> None:
        """Write down."""
        self.asked.append(("hook", (cause, wait)))

    def changed(self, member: SupervisedAccount, change: Change) -> None:
        """Write down."""
        self.asked.append(("changed", change.new))

    def failed(self, member: SupervisedAccount, cause: Cause) -> None:
        """Its own trouble, always."""
        member.steps.climb(cause)

    def note(self, member: SupervisedAccount, kind: str, to: str, **facts: Any) -> None:
        """Write down."""
        self.notes.append((kind, to, facts))

    def known_user(self, member: SupervisedAccount) -> bool:
        """As told."""
        return self.user

    def void_token(self, member: SupervisedAccount) -> None:
        """Write down."""
        self.asked.append(("void", None))

    def forgive_token(self, member: SupervisedAccount) -> None:
        """Write down."""
        self.asked.append(("forgive", None))

    def check_marker(self, member: SupervisedAccount, marker: str, imported: list[str]) -> None:
        """Write down."""
        self.asked.append(("marker", marker))


class Puppet:
    """Stands where a live worker does: keeps what it is sent."""

    def __init__(self) -> None:
        self.pid = 1
        self.sent: list[Message] = []
        self.signals: list[signal.Signals] = []
        self.garbage: str | None = None
        self.exit_code: int | None = 0
        self.last_heard = time.monotonic()

    def send(self, message: Message) -> bool:
        """Keep."""
        self.sent.append(message)
        return True

    def signal(self, number: signal.Signals) -> None:
        """Keep."""
        self.signals.append(number)


def make(**rules: Any) -> tuple[SupervisedAccount, Book]:
    """Return a member whose jitter always draws the whole window."""
    book = Book()
    ladder = Ladder(RestartRules(**{"has_hook": True, **rules}), lambda: 1.0)
    return SupervisedAccount(Account(name="a", where="f:1", max_memory=50_000_000), ladder, book, desired=True), book


def live(member: SupervisedAccount) -> Puppet:
    """Give a member a live worker."""
    puppet = Puppet()
    member.started(cast(WorkerProcess, puppet))
    return puppet


def report(member: SupervisedAccount, state: State, cause: Cause | None = None, **more: Any) -> None:
    """Have the worker report a state."""
    message = Report(state=state, since=time.time(), cause=cause, **more)
    member.heard(cast(WorkerProcess, member.child), message)


async def test_start_asks_for_a_turn_once() -> None:
    """A member in the queue is not queued twice, and a stopped one not at all."""
    member, book = make()
    member.start()
    member.start()
    assert book.asked == [("start", None)]
    assert member.process is Process.STARTING
    assert member.take_turn()
    member.desired = False
    member.start()
    assert not member.take_turn()
    assert len(book.asked) == 1


async def test_without_a_user_the_hook_comes_first() -> None:
    """An account that never had a cookie has nobody to connect as."""
    member, book = make()
    book.user = False
    member.start()
    assert book.asked == [("hook", (Cause.AUTH, True))]


async def test_memory_above_the_limit_is_a_polite_restart() -> None:
    """One stop command, an event with the size, and a start once it is gone."""
    member, book = make()
    puppet = live(member)
    report(member, State.CONNECTED, memory=60_000_000)
    assert puppet.sent == [Stop()]
    assert book.notes == [("restart", "starting", {"why": "memory", "reason": "57.2 MiB"})]
    member.gone(cast(WorkerProcess, puppet))
    assert book.asked == [("start", None)]


async def test_memory_below_the_limit_is_fine() -> None:
    """Nothing happens up to the limit."""
    member, _ = make()
    puppet = live(member)
    report(member, State.CONNECTED, memory=50_000_000)
    assert not puppet.sent


async def test_first_failure_restarts_with_a_new_token() -> None:
    """The token in hand is voided before the new worker starts."""
    member, book = make()
    puppet = live(member)
    report(member, State.FAILED, Cause.REFUSED)
    assert puppet.sent == [Stop()]
    assert ("void", None) in book.asked
    member.gone(cast(WorkerProcess, puppet))
    assert book.asked[-1] == ("start", None)


async def test_same_failure_is_acted_on_once() -> None:
    """A repeated report of one FAILED is no second failure."""
    member, book = make()
    live(member)
    message = Report(state=State.FAILED, since=5.0, cause=Cause.AUTH)
    for _ in range(3):
        member.heard(cast(WorkerProcess, member.child), message)
    assert book.asked == [("hook", (Cause.AUTH, True))]


async def test_outage_defers_the_step_and_its_end_takes_it() -> None:
    """Deferred, not dropped."""
    member, book = make()
    live(member)
    for name in "xyz":
        book.outage.failed(name, Cause.AUTH, 0.0)
    report(member, State.FAILED, Cause.AUTH)
    assert not book.asked
    assert member.process is Process.BACKOFF
    book.outage.send_canary("a")
    member.steps.take_deferred()
    assert book.asked == [("hook", (Cause.AUTH, True))]


async def test_hold_is_shown_and_ends_with_a_probe() -> None:
    """Risk control: backoff with the probe's time; a worker that dies meanwhile is not started."""
    member, book = make()
    puppet = live(member)
    report(member, State.FAILED, Cause.RISK)
    assert member.steps.holding
    assert member.steps.next_attempt == pytest.approx(time.time() + 1800, abs=5)
    assert member.process is Process.BACKOFF
    assert not puppet.sent
    member.gone(cast(WorkerProcess, puppet))
    assert member.steps.holding
    assert not book.asked
    assert book.notes[-1][:2] == ("restart", "stopped")


async def test_new_cookie_ends_needs_login() -> None:
    """The live worker is told to dial with a new token."""
    member, book = make(has_hook=False)
    puppet = live(member)
    report(member, State.FAILED, Cause.AUTH)
    assert member.process is Process.NEEDS_LOGIN
    assert book.notes == [("refresh", "needs_login", {"cause": Cause.AUTH})]
    member.steps.new_cookie("login")
    assert member.process is Process.RUNNING
    assert puppet.sent == [Reconnect(why="login", stale=True)]


async def test_still_failed_after_the_grace_is_restarted() -> None:
    """A worker that stays FAILED although it was told to dial is replaced."""
    member, _ = make(failed_grace=0.05)
    puppet = live(member)
    member.report = Report(state=State.FAILED, since=1.0, cause=Cause.CLOSED)
    member.steps.revive("hook")
    await asyncio.sleep(0.1)
    assert puppet.sent == [Reconnect(why="hook", stale=True), Stop()]


async def test_quarantine_is_told_once_and_so_is_its_end() -> None:
    """The event is no chatter."""
    member, book = make(backoff_max=3.0)
    for _ in range(5):
        puppet = live(member)
        puppet.exit_code = 1
        member.gone(cast(WorkerProcess, puppet))
        member.steps.cancel()
    told = [to for kind, to, _ in book.notes if kind == "quarantine"]
    assert told == ["quarantined"]
    member.steps.forgive()
    assert [to for kind, to, _ in book.notes if kind == "quarantine"] == ["quarantined", "released"]


async def test_forkserver_death_is_not_counted() -> None:
    """An orphan starts again when the forkserver lives again, at once and without a mark."""
    member, book = make()
    puppet = live(member)
    member.runner.orphan()
    assert puppet.signals == [signal.SIGKILL]
    member.gone(cast(WorkerProcess, puppet))
    assert not book.asked
    member.start_again()
    assert book.asked == [("start", None)]
    assert book.notes == [("restart", "starting", {"why": "forkserver", "reason": None})]
    member.runner.queued = False
    puppet = live(member)
    member.gone(cast(WorkerProcess, puppet))
    assert book.notes[-1][:2] == ("restart", "starting")


async def test_hello_and_tickets_are_passed_on() -> None:
    """The crew hears of a worker's program and of its requests."""
    member, book = make()
    live(member)
    member.heard(cast(WorkerProcess, member.child), Hello(pid=1, marker="m"))
    member.heard(cast(WorkerProcess, member.child), TicketRequest(request=3))
    assert book.asked == [("marker", "m"), ("ticket", TicketRequest(request=3))]


async def test_words_about_messages_are_passed_on() -> None:
    """Answers, the wish for a turn to catch up, and the figures of a report go to the crew."""
    member, book = make()
    live(member)
    words = (Sent(request=1, state="sent"), Redone(request=2, count=3), CatchUpRequest())
    for word in words:
        member.heard(cast(WorkerProcess, member.child), word)
    report(member, State.CONNECTED, mail=MailFigures(stored=3))

    assert book.asked == [*(("heard", word) for word in words), ("mail", MailFigures(stored=3))]


async def test_cpu_share_is_worked_out_between_reports() -> None:
    """Unknown at first; then CPU seconds over the time between two reports."""
    member, _ = make()
    live(member)
    report(member, State.CONNECTED, cpu=1.0)
    assert member.cpu_percent is None
    await asyncio.sleep(1.05)
    report(member, State.CONNECTED, cpu=1.1)
    assert member.cpu_percent == pytest.approx(9.5, abs=2)
