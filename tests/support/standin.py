"""A small fleet behind the real API: known accounts, kept in memory, no processes."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from xyfleet.supervisor.api.registry import Record, write_record
from xyfleet.supervisor.api.unix_server import ApiServer
from xyfleet.supervisor.common.errors import BadCookie, NotPossible
from xyfleet.supervisor.common.event_log import EventLog
from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.common.paths import browser_profile
from xyfleet.supervisor.control.many import make_sure
from xyfleet.supervisor.control.selection import select
from xyfleet.supervisor.control.status_schema import (
    AccountView,
    FleetView,
    HeartbeatView,
    ReconnectView,
    RefreshView,
    RttView,
    StatusView,
)
from xyfleet.supervisor.control.types import (
    Action,
    BrowserPlace,
    Forgotten,
    Health,
    Outcome,
    QrStep,
    Reloaded,
    Retried,
    SimulatorPlace,
    WireReport,
)
from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.identity import Identity
from xyfleet.supervisor.messages.followers import MessageFeed
from xyfleet.supervisor.messages.requests import Delivery, SendRequest
from xyfleet.supervisor.presentation.advice import down
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.account_facts import Traced
from xyfleet.supervisor.supervision.account_state import Condition, Process
from xyfleet.worker.causes import Cause
from xyfleet.worker.ipc.messages import Ask
from xyfleet.worker.ipc.talks import TalkAnswer, TalkQuestion
from xyfleet.worker.secret import Secret
from xyfleet.worker.states import State

PROGRAM = [sys.executable, "-c", "import sys; from xyfleet.supervisor.cli.main import main; sys.exit(main())"]


def account(name: str, **changes: Any) -> AccountView:
    """A connected account, with `changes`."""
    well = AccountView(
        name=name,
        label="",
        tags=(),
        state=State.CONNECTED,
        process=Process.RUNNING,
        pid=4711,
        generation=1,
        since="2026-01-02T03:04:05Z",
        cause=None,
        reason=None,
        advice=None,
        failures=0,
        restarts=0,
        next_attempt=None,
        heartbeat=HeartbeatView(
            sent=9,
            answered=9,
            success_rate=1.0,
            send_rate=1.0,
            rtt_ms=RttView(last=1.2, mean=1.1, p95=1.4),
            streak=9,
            best_streak=9,
            last_sent="2026-01-02T03:06:05Z",
            last_answered="2026-01-02T03:06:05Z",
        ),
        reconnects=ReconnectView(),
        refresh=RefreshView(left_today=6),
        cookie_source="file",
        memory_mib=5.1,
        cpu_percent=0.1,
    )
    return msgspec.structs.replace(well, **changes)


def failed(name: str, cause: Cause, process: Process = Process.RUNNING, **changes: Any) -> AccountView:
    """An account in trouble."""
    return account(name, state=State.FAILED, process=process, cause=cause, pid=None, **changes)


def fleet(**changes: Any) -> FleetView:
    """A fleet's line, with `changes`."""
    plain = FleetView(
        name="shops",
        pid=4700,
        version="0.1.0",
        simulator=False,
        uptime=3723.0,
        outage=None,
        states={},
        file="/home/li/accounts.yml",
        detached=False,
        timezone="Asia/Shanghai",
    )
    return msgspec.structs.replace(plain, **changes)


class StandIn:
    """Implements `xyfleet.supervisor.control.types.Control` over a list of accounts."""

    language = "en"

    def __init__(self, folder: Path, accounts: Sequence[AccountView] = (), **fleet_changes: Any) -> None:
        self.folder = folder
        self.events = EventLog(folder / "events.ndjson")
        self.accounts = {one.name: one for one in accounts}
        self.fleet = fleet(**fleet_changes)
        self.acts: list[tuple[str, list[str], str]] = []
        """Action, accounts, operator: what was asked for, in order."""
        self.cookies: dict[str, Secret] = {}
        self.stopped_by: str | None = None
        self.reloaded: Reloaded | Exception = Reloaded(added=["shop-009"], unchanged=len(accounts))
        self.gateway = "http://127.0.0.1:8765"
        self.sure = False
        """What the last reload was told."""
        self.log_folder: Path | None = folder
        self.mail = MessageFeed(lambda name: folder / "inbox" / f"{name}.db", folder)
        self.letters: list[tuple[SendRequest, float]] = []
        """What was to be sent, and how long was to be waited."""
        self.asked: list[Ask] = []
        self.answer: Any = {}
        """To all of them, or the refusal."""
        self.answers: dict[str, Any] = {}
        """To some, by what they ask and their id, or by what they ask alone."""
        self.delivery: Delivery | Exception = Delivery(state="sent", number=1, message_id="4021.PNM")
        self.questions: list[tuple[str, TalkQuestion]] = []
        """What was asked about conversations, and of whom."""
        self.talked: TalkAnswer | Exception = TalkAnswer(state="done")
        self.redone: list[tuple[list[str], list[str]]] = []
        """Accounts and ids of dead letters that were to be tried again."""

    def health(self) -> Health:
        """Count."""
        missing, wanted = down(self.status(()))
        return Health(
            name=self.fleet.name,
            pid=self.fleet.pid,
            version=self.fleet.version,
            simulator=self.fleet.simulator,
            wanted=wanted,
            connected=wanted - missing,
            waiting_for_person=sum(one.process is Process.NEEDS_LOGIN for one in self.accounts.values()),
            timezone=self.fleet.timezone,
        )

    def status(self, names: Sequence[str]) -> StatusView:
        """Return the accounts as they were given."""
        counts: dict[str, int] = {}
        for one in self.accounts.values():
            if one.process is not Process.DISABLED:
                counts[one.state.value] = counts.get(one.state.value, 0) + 1
        return StatusView(fleet=msgspec.structs.replace(self.fleet, states=counts), accounts=self._chosen(names))

    async def act(self, action: Action, names: Sequence[str], by: str, *, sure: bool = False) -> Outcome:
        """Note the action; refuse a login to accounts that are tagged `nohook`."""
        chosen = self._chosen(names)
        if not sure:
            make_sure(action, sum("out" in one.tags for one in chosen))
        self.acts.append((action, [one.name for one in chosen], by))
        refused = {
            one.name: Text("worker ended: %(why)s", {"why": "x"})
            for one in chosen
            if action == "refresh" and "nohook" in one.tags
        }
        return Outcome([one.name for one in chosen if one.name not in refused], refused)

    async def login(self, name: str, cookie: Secret, by: str, identity: Identity | None = None) -> Text | None:
        """Keep the cookie if it is one."""
        self._chosen([name])
        if "unb=" not in cookie.reveal():
            raise BadCookie(Text("no cookie was given"))
        self.cookies[name] = cookie
        return cookies.doubt(cookie)

    def browser_place(self, name: str) -> BrowserPlace:
        """The real page, without a proxy."""
        self._chosen([name])
        profile = browser_profile(Path("/home/li/state"), "2200000000001", name)
        return BrowserPlace(profile, "https://www.goofish.com/im", "goofish.com", "zh-CN", None)

    async def qr_login(self, name: str, by: str) -> AsyncGenerator[QrStep, None]:
        """A login by code that goes well; those tagged `nohook` get a second code, then a check."""
        (chosen,) = self._chosen([name])
        self.acts.append(("qr", [name], by))
        if chosen.state is not State.CONNECTED and "nohook" not in chosen.tags:
            raise NotPossible(Text("a login by code is under way for it already"))
        yield QrStep(step="code", code="https://passport.goofish.com/qrcodeCheck.htm?lgToken=l1", seconds=180.0)
        yield QrStep(step="waiting")
        yield QrStep(step="scanned")
        if "nohook" in chosen.tags:
            again = Text("no cookie was given")
            yield QrStep(step="code", code="https://passport.goofish.com/iv/x", seconds=300.0, text=again)
            yield QrStep(step="check", text=Text("the fleet is stopping"))
        else:
            yield QrStep(step="done")

    async def reload(self, by: str, *, sure: bool = False) -> Reloaded:
        """Answer what the test prepared."""
        self.sure = sure
        if isinstance(self.reloaded, Exception):
            raise self.reloaded
        return self.reloaded

    def trace(self, name: str) -> list[Traced]:
        """One event that did nothing."""
        self._chosen([name])
        return [Traced(1767323045.0, Event(kind=Kind.WANT), Condition(), [], "it is wanted already")]

    def stop(self, by: str) -> None:
        """Note who stopped the fleet."""
        if self.stopped_by is not None:
            raise NotPossible(Text("the fleet is stopping"))
        self.stopped_by = by

    async def send(self, letter: SendRequest, wait: float) -> Delivery:
        """Answer what the test prepared."""
        self._chosen([letter.account])
        self.letters.append((letter, wait))
        if isinstance(self.delivery, Exception):
            raise self.delivery
        return self.delivery

    async def talk(self, name: str, question: TalkQuestion) -> TalkAnswer:
        """Answer what the test prepared."""
        self._chosen([name])
        self.questions.append((name, question))
        if isinstance(self.talked, Exception):
            raise self.talked
        return self.talked

    async def ask(self, name: str, question: Ask) -> Any:
        """Answer what the test prepared."""
        self._chosen([name])
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answers.get(question.what + question.id, self.answers.get(question.what, self.answer))

    async def retry(self, names: Sequence[str], ids: Sequence[str]) -> Retried:
        """Two dead letters for every account that is connected."""
        chosen = self._chosen(names)
        self.redone.append(([one.name for one in chosen], list(ids)))
        done = {one.name: 2 for one in chosen if one.state is State.CONNECTED}
        return Retried(
            done, {one.name: Text("worker ended: %(why)s", {"why": "x"}) for one in chosen} if not done else {}
        )

    async def forget(self, name: str, by: str) -> Forgotten:
        """Delete nothing, for only accounts that do not run can be forgotten."""
        (chosen,) = self._chosen([name])
        if chosen.state is State.CONNECTED:
            raise NotPossible(Text("the fleet is stopping"))
        self.acts.append(("forget", [name], by))
        return Forgotten(name=name, deleted=["/home/li/state/users/2200000000002.json"], listed=True)

    def names(self, names: Sequence[str]) -> list[str]:
        """Return the chosen accounts' names."""
        return [one.name for one in self._chosen(names)]

    def simulator(self, name: str) -> SimulatorPlace:
        """Say where a gateway is, or would be."""
        self._chosen([name])
        return SimulatorPlace(url=self.gateway, unb="2200000000001", ca_file=None)

    def wire_report(self, name: str) -> WireReport:
        """Nothing is unknown."""
        self._chosen([name])
        return WireReport(version="1", unknown=[])

    def log_path(self, name: str) -> Path | None:
        """Return a file beside the socket, or where the test wants it."""
        self._chosen([name])
        return None if self.log_folder is None else self.log_folder / f"{name}.log"

    def _chosen(self, names: Sequence[str]) -> list[AccountView]:
        tags = {name: one.tags for name, one in self.accounts.items()}
        return [self.accounts[name] for name in select(names, tags)]


def records_folder(folder: Path) -> Path:
    """Return where commands run by `run` look for records."""
    return folder / "xyfleet" / "fleets"


@contextmanager
def _held(lock: str) -> Iterator[None]:
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@asynccontextmanager
async def serving(control: StandIn, **record_changes: Any) -> AsyncIterator[Record]:
    """Serve the API, with a record and a held lock as a supervisor has them; commands find it by `run`."""
    record = Record(
        name=control.fleet.name,
        pid=control.fleet.pid,
        socket=str(control.folder / "control.sock"),
        file=control.fleet.file,
        lock=str(control.folder / "lock"),
    )._replace(**record_changes)
    server = ApiServer(control, control.folder / "control.sock")
    await server.start()
    try:
        with _held(record.lock):
            write_record(record, records_folder(control.folder))
            yield record
    finally:
        await server.close()


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a command that finds the fleets of `folder`."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PATH", "COVERAGE", "PYTHON"))}
    return kept | {"HOME": str(folder), "XDG_STATE_HOME": str(folder), "LANG": "C.UTF-8", "TZ": "UTC"} | more


class Run:
    """How a command ended."""

    def __init__(self, code: int | None, out: bytes, err: bytes) -> None:
        self.code = code
        self.out = out.decode()
        self.err = err.decode()

    def __repr__(self) -> str:
        return f"code {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


async def begin(
    folder: Path, *words: str, stdin: int = asyncio.subprocess.PIPE, **more: str
) -> asyncio.subprocess.Process:
    """Start `xyfleet words…`."""
    pipe = asyncio.subprocess.PIPE
    env = environment(folder, **more)
    return await asyncio.create_subprocess_exec(*PROGRAM, *words, env=env, stdin=stdin, stdout=pipe, stderr=pipe)


async def run(folder: Path, *words: str, stdin: bytes = b"", **more: str) -> Run:
    """Run `xyfleet words…` to its end; no end is ever a traceback."""
    # No pipe for nothing: a command that has ended before that is written has closed it.
    where = asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL
    process = await begin(folder, *words, stdin=where, **more)
    out, err = await asyncio.wait_for(process.communicate(stdin or None), 30)
    assert b"Traceback" not in err, err.decode()
    return Run(process.returncode, out, err)


async def until(condition: Callable[[], object]) -> None:
    """Wait until something has become true, 10 s at most."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never became true")
