"""Where an account stands: moves, what is remembered of them, and the report that says all of it."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.station import read_log
from xyfleet.worker.causes import Cause
from xyfleet.worker.clock import ServerClock
from xyfleet.worker.ipc.codec import MAX_UP, FrameDecoder, decode_up
from xyfleet.worker.ipc.figures import Change, MailFigures
from xyfleet.worker.ipc.messages import Report
from xyfleet.worker.ipc.pipes import ReportPipe
from xyfleet.worker.reasons import Reason
from xyfleet.worker.settings import LogSettings
from xyfleet.worker.states import Event, IllegalTransition, State
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.telemetry.status import AccountStatus

S, E = State, Event
CLOSED = Reason("closed", {"status": 1001})


class Told:
    """A status, and what it tells over its pipe."""

    def __init__(self, folder: Path) -> None:
        self.end, up = os.pipe()
        self.fds = [self.end, up]
        self.pipe = ReportPipe(up, lambda why: None)
        self.log = AccountLog("a0", LogSettings(dir=str(folder), format="json"))
        self.clock = ServerClock()
        mail = MailFigures(stored=4)
        self.status = AccountStatus(self.pipe, 60.0, self.log, lambda: 7, lambda: mail, lambda: None, self.clock)

    def report(self) -> Report:
        """Return the latest report."""
        bodies = list(FrameDecoder(MAX_UP).feed(os.read(self.end, 65536)))
        report = decode_up(bodies[-1])
        assert isinstance(report, Report)
        return report


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    """Give a status."""
    made = Told(tmp_path)
    yield made
    made.status.reporter.close()
    made.pipe.close()
    made.log.close()
    for fd in made.fds:
        os.close(fd)


async def test_moves_and_what_they_leave(told: Told, tmp_path: Path) -> None:
    """A loss leaves its cause until the next registration; every move is told, logged, and has its time."""
    status = told.status
    status.move(E.DIAL)
    status.move(E.REGISTERED)
    before = time.time()
    status.move(E.LOST, Cause.CLOSED, CLOSED)
    change = told.report().changes[-1]
    assert before <= change.time <= time.time()
    assert change == Change(time=change.time, old=S.CONNECTED, new=S.RECONNECTING, cause=Cause.CLOSED, reason=CLOSED)
    status.move(E.DIAL)
    assert (status.cause, status.reason) == (Cause.CLOSED, CLOSED)
    status.move(E.REGISTERED)
    assert (status.cause, status.reason) == (None, None)
    told.log.close()
    assert [line["new"] for line in read_log(tmp_path, "连接状态变更")][:3] == [
        "CONNECTING",
        "CONNECTED",
        "RECONNECTING",
    ]


async def test_next_attempt_lasts_as_long_as_the_wait(tmp_path: Path, told: Told) -> None:
    """The announced attempt is forgotten when it begins, or when there will be none."""
    status = told.status
    for event, back in ((E.DIAL, E.LOST), (E.EXHAUSTED, E.REVIVED), (E.STOPPED, None)):
        if status.state is S.DISCONNECTED:
            status.move(E.DIAL)
            status.move(E.LOST)
        status.next_attempt = 9.0
        status.move(event)
        assert status.next_attempt is None
        if back is not None:
            status.move(back)


async def test_illegal_moves_change_nothing(told: Told) -> None:
    """A move that the table does not have raises and leaves everything as it was."""
    since = told.status.since
    with pytest.raises(IllegalTransition):
        told.status.move(E.REGISTERED)

    assert (told.status.state, told.status.since) == (S.DISCONNECTED, since)


async def test_report(told: Told) -> None:
    """A report says all of it."""
    status = told.status
    status.generation, status.failures = 3, 2
    status.metrics.beat_sent(1.0)
    told.clock.registered(int(time.time() * 1000) - 60_000)
    status.move(E.DIAL)
    report = told.report()

    assert (report.state, report.since, report.generation, report.failures) == (S.CONNECTING, status.since, 3, 2)
    assert (report.window.sent, report.memory, report.note, report.mail.stored) == (1, 7, None, 4)
    assert report.clock == pytest.approx(60, abs=1)
    assert report.cpu > 0
