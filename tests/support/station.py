"""One account's cycle, or one session, in the test's own loop; the test is the supervisor at the pipes' other ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import pytest

from xyfleet.supervisor.simulator.signing import fingerprint, issue_token
from xyfleet.worker.account import AccountRunner
from xyfleet.worker.causes import ConnectionLost
from xyfleet.worker.clock import ServerClock, Timing
from xyfleet.worker.connection.interfaces import RpcChannel
from xyfleet.worker.connection.session import Session
from xyfleet.worker.ipc.codec import MAX_DOWN, MAX_UP, FrameDecoder, decode_up, encode
from xyfleet.worker.ipc.figures import Change
from xyfleet.worker.ipc.messages import Down, Report, Ticket, TicketRequest, Up
from xyfleet.worker.ipc.pipes import CommandPipe, ReportPipe
from xyfleet.worker.protocol.frames import Push
from xyfleet.worker.protocol.mids import Mids
from xyfleet.worker.reasons import words
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import Backoff, Cycle, LogSettings, MailSettings, Retry, WorkerSettings
from xyfleet.worker.states import State
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.telemetry.metrics import Metrics

UNB = "2200000000001"
DEVICE = f"673B2986-E590-421A-A8F9-28202BA25823-{UNB}"
STEP = Backoff(step=0.05, max=0.1)
FAST = Cycle(
    heartbeat_interval=0.1,
    heartbeat_timeout=0.3,
    heartbeat_send_timeout=0.05,
    heartbeat_retry_delay=0.05,
    stable_after=0.4,
    open_timeout=2.0,
    register_timeout=1.0,
    retry=Retry(closed=STEP, network=STEP, other=STEP, jitter=0.0),
)
"""Settings that go through a whole life in a second."""
FAST_PACE = Timing(dial_gap=0.1, answer_timeout=0.2, fail_open_every=0.6, kick_window=5.0)
TLS = ssl.create_default_context()


def token(unb: str = UNB, device: str = DEVICE) -> Secret:
    """Return an access token that the gateway accepts."""
    return Secret(issue_token(unb, fingerprint("sim-1"), device, int(time.time() * 1e6), 3600))


def settings_for(endpoint: str, logs: Path, cycle: Cycle = FAST, **more: Any) -> WorkerSettings:
    """Return the settings of the test account."""
    log = LogSettings(dir=str(logs), format="json", verbose=False)
    return WorkerSettings(
        **{
            "account": "a0",
            "unb": UNB,
            "device_id": DEVICE,
            "endpoint": endpoint,
            "cycle": cycle,
            "log": log,
            "mail": MailSettings(file=str(logs / "inbox" / "a0.db")),
            "report_interval": 0.5,
            **more,
        }
    )


def read_log(logs: Path, event: str | None = None) -> list[dict[str, Any]]:
    """Return the log's lines, of one text if given."""
    files = [path for path in (logs / "a0.log", logs / "a0.beats.log") if path.exists()]
    lines = [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines() if line]
    lines.sort(key=lambda line: str(line["time"]))
    return [line for line in lines if event in (None, line["event"])]


def log_time(line: dict[str, Any]) -> float:
    """Return the wall time of a log line, to the millisecond."""
    stamp = time.strptime(line["time"][:19], "%Y-%m-%dT%H:%M:%S")
    return time.mktime(stamp) + float(line["time"][19:23])


class Ear:
    """Hears what a session tells."""

    def __init__(self) -> None:
        self.registrations = 0
        self.answers = 0
        self.odd: list[bytes] = []

    def registered(self, line: RpcChannel) -> None:
        """Count it."""
        self.registrations += 1

    def pushed(self, push: Push, ack: Callable[[], None]) -> None:
        """Ack at once."""
        ack()

    def odd_frame(self, raw: bytes) -> None:
        """Keep it."""
        self.odd.append(raw)

    def beat_answered(self) -> None:
        """Count it."""
        self.answers += 1

    def news(self) -> None:
        """Nothing to do."""


class OneSession:
    """A session with everything it needs. `run()` is the session's own."""

    def __init__(self, endpoint: str, logs: Path, cycle: Cycle = FAST, **more: Any) -> None:
        self.settings = settings_for(endpoint, logs, cycle, **more)
        self.ear = Ear()
        self.metrics = Metrics()
        self.log = AccountLog("a0", self.settings.log)
        mids = Mids(time.time, lambda: 0.5)
        self.session = Session(self.settings, token(), TLS, mids, self.metrics, self.log, self.ear, ServerClock())

    async def run(self) -> None:
        """Run it, for a bounded time."""
        try:
            async with asyncio.timeout(15):
                await self.session.run()
        finally:
            self.log.close()

    async def connected(self, task: asyncio.Task[None], answers: int = 1) -> None:
        """Wait until it is registered and so many beats were answered."""
        await until(lambda: task.done() or self.ear.answers >= answers)
        assert not task.done(), task.exception()


def open_sockets() -> set[str]:
    """Return the sockets that this process holds open."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/self/fd/{fd}"))
    return {name for name in found if name.startswith("socket:")}


async def until(true: Callable[[], object], timeout: float = 10.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < end, "did not come true in time"
        await asyncio.sleep(0.005)


def renewing(request: TicketRequest, serial: list[int]) -> Ticket:
    """Answer a request as the supervisor does: the token in hand, or a new one when that is stale."""
    fresh = request.stale == serial[0]
    if fresh:
        serial[0] += 1
    return Ticket(request=request.request, serial=serial[0], token=token(), fresh=fresh)


class Station:
    """
    A running cycle.

    Args:
        answer: What the supervisor answers to a request; None = nothing.
        carried: Whether the worker starts with a ticket.
    """

    def __init__(
        self,
        endpoint: str,
        logs: Path,
        cycle: Cycle = FAST,
        *,
        pace: Timing = FAST_PACE,
        carried: bool = True,
        answer: Callable[[TicketRequest], Down | list[Down] | None] | None = None,
        **more: Any,
    ) -> None:
        self.logs = logs
        self.settings = settings_for(endpoint, logs, cycle, **more)
        self.log = AccountLog("a0", self.settings.log)
        self.heard: list[Up] = []
        self.times: list[float] = []
        self.gone: list[str] = []
        serial = [1]
        self.answer = answer or (lambda request: renewing(request, serial))
        self._pace = pace
        self._carried = Ticket(request=0, serial=1, token=token()) if carried else None
        self._splitter = FrameDecoder(MAX_UP)
        self.reading = True

    @property
    def reports(self) -> list[Report]:
        """All reports so far."""
        return [message for message in self.heard if isinstance(message, Report)]

    @property
    def requests(self) -> list[TicketRequest]:
        """All ticket requests so far."""
        return [message for message in self.heard if isinstance(message, TicketRequest)]

    @property
    def changes(self) -> list[Change]:
        """All moves so far."""
        return [change for report in self.reports for change in report.changes]

    @property
    def states(self) -> list[State]:
        """The states gone through, the first one included."""
        return [State.DISCONNECTED, *(change.new for change in self.changes)]

    @property
    def state(self) -> State:
        """The state now."""
        return self.states[-1]

    @property
    def last(self) -> Report:
        """The latest report, or one that says nothing yet."""
        return self.reports[-1] if self.reports else Report(state=State.DISCONNECTED, since=0.0)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._up, up = os.pipe()
        down, self._down = os.pipe()
        self._fds = [self._up, up, down, self._down]
        os.set_blocking(self._up, False)
        self._pipe = ReportPipe(up, self._end)
        self.cycle = AccountRunner(self.settings, self._carried, self._pipe, self.log, TLS, lambda: 5 << 20, self._pace)
        self._commands = CommandPipe(down, self.cycle.receive, self._end)
        self.task = loop.create_task(self.cycle.run())
        if self.reading:
            self.listen()
        return self

    def listen(self) -> None:
        """Begin to read what the worker says."""
        asyncio.get_running_loop().add_reader(self._up, self._hear)

    def _end(self, why: str) -> None:
        self.gone.append(why)
        self.cycle.stop(words(why), polite=False)

    def hang_up(self) -> None:
        """Close our ends, as a supervisor's death does."""
        asyncio.get_running_loop().remove_reader(self._up)
        for fd in (self._up, self._down):
            self._fds.remove(fd)
            os.close(fd)

    def _hear(self) -> None:
        for body in self._splitter.feed(os.read(self._up, 65536)):
            message = decode_up(body)
            self.heard.append(message)
            self.times.append(time.monotonic())
            if isinstance(message, TicketRequest):
                answer = self.answer(message)
                for one in answer if isinstance(answer, list) else [answer]:
                    if one is not None:
                        self.say(one)

    def say(self, message: Down) -> None:
        """Send a command."""
        os.write(self._down, encode(message, MAX_DOWN))

    async def reach(self, state: State, times: int = 1, timeout: float = 10.0) -> Change:
        """Wait until a state was entered so many times, and return the change."""

        def entered() -> list[Change]:
            return [change for change in self.changes if change.new is state]

        await until(lambda: self.task.done() or len(entered()) >= times, timeout)
        assert len(entered()) >= times, f"{self.states}, {self.gone}"
        return entered()[times - 1]

    def apply(self, **changes: Any) -> WorkerSettings:
        """Return the settings with changes."""
        return msgspec.structs.replace(self.settings, **changes)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cycle.stop(words("end of the test"))
        try:
            async with asyncio.timeout(5):
                await self.task
        finally:
            asyncio.get_running_loop().remove_reader(self._up)
            self._commands.close()
            self._pipe.close()
            self.log.close()
            for fd in self._fds:
                os.close(fd)


def gaps(times: list[float]) -> list[float]:
    """Return the time between each two."""
    return [second - first for first, second in itertools.pairwise(times)]


def dials(station: Station) -> list[float]:
    """Return when each attempt began."""
    return [change.time for change in station.changes if change.new is State.CONNECTING]


def slow_retry(seconds: float) -> Cycle:
    """Return settings that wait so long after every failure."""
    step = Backoff(step=seconds, max=seconds)
    return msgspec.structs.replace(FAST, retry=Retry(closed=step, network=step, other=step, jitter=0.0))


async def end_of(one: OneSession) -> ConnectionLost:
    """Run the session to its end and return what that was."""
    with pytest.raises(ConnectionLost) as caught:
        await one.run()
    return caught.value


async def start(one: OneSession, answers: int = 1) -> asyncio.Task[None]:
    """Run the session as a task and wait until beats were answered."""
    task = asyncio.create_task(one.run())
    await one.connected(task, answers)
    return task
