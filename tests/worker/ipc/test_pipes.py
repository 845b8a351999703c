"""The pipes: nothing waits, nothing newer is lost, and an end is noticed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.station import until
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.codec import MAX_DOWN, MAX_UP, BadMessage, FrameDecoder, decode_up, encode
from xyfleet.worker.ipc.figures import MAX_CHANGES, Change, MailFigures
from xyfleet.worker.ipc.messages import Alive, Down, Hello, Queued, Report, Sent, Stop, TicketRequest, Up
from xyfleet.worker.ipc.pipes import CURT, RETRY, CommandPipe, ReportPipe, fit, newer
from xyfleet.worker.reasons import words
from xyfleet.worker.states import State
from xyfleet.worker.telemetry.reporter import StatusReporter
from xyfleet.worker.text import cut


@dataclass
class Line:
    """A pipe and what became of it."""

    read: int
    write: int
    gone: list[str] = field(default_factory=list)

    def hang_up(self, end: str) -> None:
        """Close one end."""
        os.close(getattr(self, end))
        setattr(self, end, -1)

    def fill(self) -> int:
        """Fill the pipe and return how many bytes that took."""
        os.set_blocking(self.write, False)
        total = 0
        try:
            while True:
                total += os.write(self.write, b"\0" * 4096)
        except BlockingIOError:
            return total

    def drain(self, size: int) -> None:
        """Take so many bytes out."""
        while size:
            size -= len(os.read(self.read, size))

    def messages(self) -> list[Up]:
        """Read all whole messages that are there."""
        os.set_blocking(self.read, False)
        try:
            data = os.read(self.read, 1 << 20)
        except BlockingIOError:
            return []
        return [decode_up(body) for body in FrameDecoder(MAX_UP).feed(data)]


@pytest.fixture
def line() -> Iterator[Line]:
    """Return a pipe."""
    made = Line(*os.pipe())
    yield made
    for fd in (made.read, made.write):
        if fd >= 0:
            os.close(fd)


def change(number: float, reason: str = "x") -> Change:
    """Return a change that is known by its time."""
    return Change(time=number, old=State.CONNECTED, new=State.RECONNECTING, cause=Cause.CLOSED, reason=words(reason))


def report(since: float, *changes: Change) -> Report:
    """Return a report that is known by its `since`."""
    return Report(state=State.RECONNECTING, since=since, changes=list(changes))


async def test_messages_go_out_at_once(line: Line) -> None:
    """With room in the pipe each message is written when it is sent."""
    pipe = ReportPipe(line.write, line.gone.append)
    sent: list[Up] = [Hello(pid=1, marker="m"), Alive(), report(1.0), TicketRequest(request=1), report(2.0)]
    for message in sent:
        pipe.send(message)

    assert line.messages() == sent


WORST = cut("\N{GRINNING FACE}" * 300)
"""The longest text that a reason can be."""


def test_the_longest_report_fits() -> None:
    """Long troubles of everything at once cost the changes, and the ends of the words, never the report."""
    mail = MailFigures(stored=10**9, trouble=words(WORST), handler_trouble=words(WORST))
    long = Report(
        state=State.FAILED,
        since=1.0,
        reason=words(WORST),
        note=words(WORST * 3),
        mail=mail,
        changes=[change(1.0, WORST)],
    )
    found = decode_up(fit(long)[4:])

    assert isinstance(found, Report)
    assert (found.state, found.mail.stored, found.changes) == (State.FAILED, 10**9, [])
    assert found.mail.trouble == words(WORST[:CURT])


def test_the_longest_answer_fits() -> None:
    """An id that a server made endless costs its end, never the worker."""
    found = decode_up(fit(Sent(request=1, state="sent", number=7, message_id="x" * 5000, reason=WORST))[4:])

    assert found == Sent(request=1, state="sent", number=7, message_id="x" * CURT, reason=WORST[:CURT])


@pytest.mark.timing
async def test_full_pipe_keeps_the_newest_of_each_kind(line: Line) -> None:
    """Nothing waits while the pipe is full; afterwards comes one of each kind, the request and all changes included."""
    pipe = ReportPipe(line.write, line.gone.append)
    filled = line.fill()
    began = time.monotonic()
    pipe.send(report(1.0, change(1.0)))
    pipe.send(TicketRequest(request=1))
    pipe.send(Alive())
    pipe.send(report(2.0, change(2.0)))
    pipe.send(TicketRequest(request=2, stale=7))
    assert time.monotonic() - began < 0.1
    line.drain(filled)
    await asyncio.sleep(RETRY * 1.5)

    assert line.messages() == [
        report(2.0, change(1.0), change(2.0)),
        TicketRequest(request=2, stale=7),
        Alive(),
    ]


async def test_full_pipe_is_tried_again_and_again(line: Line) -> None:
    """A pipe that stays full is tried at intervals, without spinning."""
    pipe = ReportPipe(line.write, line.gone.append)
    filled = line.fill()
    pipe.send(report(1.0))
    await asyncio.sleep(RETRY * 2.5)
    line.drain(filled)
    await until(lambda: line.messages() == [report(1.0)], timeout=1)
    pipe.send(report(2.0))

    assert line.messages() == [report(2.0)]


async def test_close_tries_once_more(line: Line) -> None:
    """The last words go out when there is room by then, and closing never waits."""
    pipe = ReportPipe(line.write, line.gone.append)
    filled = line.fill()
    pipe.send(report(9.0))
    pipe.close()
    line.drain(filled)
    pipe.close()

    assert line.messages() == [report(9.0)]


async def test_reader_gone(line: Line) -> None:
    """A pipe without a reader says so, and swallows what is sent."""
    pipe = ReportPipe(line.write, line.gone.append)
    line.hang_up("read")
    pipe.send(Alive())

    assert line.gone == ["the supervisor is gone"]


async def test_commands_in_any_portions(line: Line) -> None:
    """Commands are delivered when they are whole, several at once too."""
    heard: list[Down] = []
    pipe = CommandPipe(line.read, heard.append, line.gone.append)
    frames = encode(Queued(request=1, why=words("x")), MAX_DOWN) + encode(Stop(), MAX_DOWN)
    os.write(line.write, frames[:7])
    await asyncio.sleep(0.05)
    assert heard == []
    os.write(line.write, frames[7:])
    await until(lambda: len(heard) == 2)
    pipe.close()

    assert heard == [Queued(request=1, why=words("x")), Stop()]


async def test_writer_gone(line: Line) -> None:
    """The end of the command pipe is the end of the worker; it is said once, and the reader is gone."""
    pipe = CommandPipe(line.read, lambda message: None, line.gone.append)
    line.hang_up("write")
    await until(lambda: line.gone)
    await asyncio.sleep(0.05)
    pipe.close()

    assert line.gone == ["the supervisor is gone"]


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x02{}", b"\x00\x00\x00\x01x"])
async def test_garbage_commands(line: Line, garbage: bytes) -> None:
    """A stream that can't be understood is no supervisor."""
    pipe = CommandPipe(line.read, lambda message: None, line.gone.append)
    os.write(line.write, garbage)
    await until(lambda: line.gone)
    pipe.close()

    assert line.gone[0].startswith("unreadable command: ")


@given(st.lists(st.integers(0, 5), max_size=12))
def test_merged_reports_keep_the_newest_changes(counts: list[int]) -> None:
    """However many reports are replaced unsent, the newest changes survive in order, and the state is the last."""
    merged: Up | None = None
    made: list[Change] = []
    for number, count in enumerate(counts):
        new = [change(len(made) + index) for index in range(count)]
        made += new
        merged = newer(merged, report(number, *new))
    if counts:
        assert isinstance(merged, Report)
        assert merged.since == len(counts) - 1
        assert merged.changes == made[-MAX_CHANGES:]


def test_other_kinds_are_just_replaced() -> None:
    """A newer message that is no report replaces the older one."""
    assert newer(TicketRequest(request=1), TicketRequest(request=2)) == TicketRequest(request=2)
    assert newer(None, Alive()) == Alive()


def test_long_report_gives_up_its_oldest_changes() -> None:
    """Reasons of many bytes don't keep a report from being sent: its oldest changes go."""
    wide = [change(number, "界" * 200) for number in range(MAX_CHANGES)]
    frame = fit(report(1.0, *wide))
    sent = decode_up(frame[4:])

    assert len(frame) <= 4096
    assert isinstance(sent, Report)
    assert 0 < len(sent.changes) < MAX_CHANGES
    assert sent.changes == wide[-len(sent.changes) :]


def test_other_long_messages_are_bugs() -> None:
    """What can't be made shorter is refused aloud."""
    with pytest.raises(BadMessage):
        fit(Hello(pid=1, marker="x" * 5000))


@pytest.mark.timing
async def test_reporter_rhythm(line: Line) -> None:
    """Every interval after the last word comes a sign of life, or the news if there is any; each word resets it."""
    ticks: list[float] = []
    pipe = ReportPipe(line.write, line.gone.append)
    reporter = StatusReporter(pipe, 0.1, lambda changes: report(5.0, *changes), lambda: ticks.append(time.monotonic()))
    await asyncio.sleep(0.25)
    assert line.messages() == [Alive(), Alive()]

    reporter.note()
    await asyncio.sleep(0.1)
    assert line.messages() == [report(5.0)]

    for _ in range(4):
        reporter.tell(change(1.0))
        await asyncio.sleep(0.05)
    assert line.messages() == [report(5.0, change(1.0))] * 4
    assert len(ticks) == 3

    reporter.close()
    await asyncio.sleep(0.15)
    assert line.messages() == []
