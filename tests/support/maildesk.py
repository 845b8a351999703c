"""One account's inbox, outbox and catching up in the test's own loop, on a real session with the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from support.gateway import Gateway
from support.imclient import UNB, device_id
from support.jobs import Job
from xyfleet.supervisor.simulator.signing import fingerprint, issue_token
from xyfleet.worker.causes import ConnectionLost
from xyfleet.worker.clock import ServerClock
from xyfleet.worker.connection.interfaces import RpcChannel
from xyfleet.worker.connection.session import Session
from xyfleet.worker.messaging.catchup import CatchUp
from xyfleet.worker.messaging.catchup_plan import Tempo
from xyfleet.worker.messaging.sender import OutboxSender
from xyfleet.worker.protocol import im_calls, items
from xyfleet.worker.protocol.frames import Push, Response
from xyfleet.worker.protocol.mids import Mids
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import Cycle, LogSettings, MailSettings, WorkerSettings
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.operations import Add
from xyfleet.worker.storage.results import Added, HandlerRules
from xyfleet.worker.storage.schema import Row
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.telemetry.metrics import Metrics

RULES = HandlerRules(handler=True, max_age=0, takeover=0)
QUICK = Tempo(call_gap=0.0, list_wait=0.0, turn_wait=5.0, busy_waits=(0.05, 0.1, 0.2, 0.4), again=0.1, disk_look=0.02)
CYCLE = Cycle(heartbeat_interval=2.0, heartbeat_timeout=4.0, heartbeat_send_timeout=0.5, register_timeout=0.3)
"""Answers to calls are waited for as long as the one to the registration."""
TLS = ssl.create_default_context()


class Tap:
    """A line that notes what is asked on it."""

    def __init__(self, line: RpcChannel, asked: list[tuple[float, str, Any]], began: int | None = None) -> None:
        self.began = began or line.began
        self._line = line
        self._asked = asked

    async def ask(self, lwp: str, body: object) -> Response:
        """Note it and ask."""
        self._asked.append((time.monotonic(), lwp, body))
        return await self._line.ask(lwp, body)


class Desk:
    """
    What a worker does with one account's messages, without a handler.

    Args:
        gateway: The gateway, or the address of another server.
        folder: Of the inbox and the log; another desk on the same folder is the next life of the account.
        grant: Whether a turn is granted as soon as it is asked for.
        began: When connections began by the clock of that moment, in ms; None = as it is.
    """

    def __init__(
        self,
        gateway: Gateway | str,
        folder: Path,
        *,
        tempo: Tempo = QUICK,
        retries: tuple[float, ...] = (0.02, 0.04, 0.08),
        wall: Callable[[], float] = time.time,
        grant: bool = True,
        began: int | None = None,
        **mail: Any,
    ) -> None:
        usual: dict[str, Any] = {"file": str(folder / "inbox" / "a0.db"), "send_rate": 0.0}
        self.grant = grant
        self._began = began
        self.found: list[Row] = []
        """What catching up found."""
        self.asked: list[tuple[float, str, Any]] = []
        """Every call of this desk: when, lwp, body."""
        self.turns = 0
        self.zombies: list[str] = []
        self.new_tokens = 0
        """Verdicts that asked for a new token."""
        self.session: Session | None = None
        self._registered = asyncio.Event()
        self._link: asyncio.Task[None] | None = None
        self.mail = MailSettings(**{**usual, **mail})
        self.settings = WorkerSettings(
            account="a0",
            unb=UNB,
            device_id=device_id(UNB),
            endpoint=gateway if isinstance(gateway, str) else gateway.endpoint,
            cycle=CYCLE,
            log=LogSettings(dir=str(folder), format="json"),
            mail=self.mail,
        )
        self.log = AccountLog("a0", self.settings.log)
        self.mids = Mids(time.time, lambda: 0.5)
        self.clock = ServerClock()
        self.inbox = AsyncStore(self.mail, "a0", lambda: None)
        self.outbox = OutboxSender(self.inbox, self.mail, UNB, self.log, lambda: None, retries, wall)
        self.catch_up = CatchUp(
            self.inbox,
            self.mail,
            UNB,
            self.log,
            self._asked_turn,
            lambda added: self.found.extend(added.rows),
            self._zombie,
            lambda _: RULES,
            self.clock,
            tempo,
        )

    async def __aenter__(self) -> Self:
        """Start what runs as long as a worker."""
        self._parts = [asyncio.create_task(self.outbox.run()), asyncio.create_task(self.catch_up.run())]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        """End all; a program error of a part is raised."""
        await self.disconnect()
        for part in self._parts:
            part.cancel()
        ends = await asyncio.gather(*self._parts, return_exceptions=True)
        await self.inbox.close()
        self.log.close()
        errors = [end for end in ends if not isinstance(end, asyncio.CancelledError)]
        if kind is None and errors:
            raise AssertionError(errors) from errors[0]

    # The connection.

    async def connect(self) -> None:
        """Connect and register; returns when that is done."""
        self._registered.clear()
        token = issue_token(UNB, fingerprint("sim-1"), device_id(UNB), int(time.time() * 1e6), 3600)
        self.session = Session(self.settings, Secret(token), TLS, self.mids, Metrics(), self.log, self, self.clock)
        self._link = asyncio.create_task(self._live(self.session))
        async with asyncio.timeout(5):
            await self._registered.wait()

    async def disconnect(self) -> None:
        """End the connection, if there is one."""
        if self._link is not None:
            assert self.session is not None
            self.session.leave("test", polite=False)
            await self._link

    async def over(self) -> None:
        """Wait until the connection has ended by itself."""
        assert self._link is not None
        async with asyncio.timeout(5):
            await self._link

    async def _live(self, session: Session) -> None:
        try:
            with contextlib.suppress(ConnectionLost):
                await session.run()
        finally:
            self.outbox.disconnected()
            self.catch_up.disconnected()

    # What the session tells.

    def registered(self, line: RpcChannel) -> None:
        """Tell the parts."""
        self._registered.set()
        self.outbox.connected(Tap(line, self.asked))
        self.catch_up.connected(Tap(line, self.asked, self._began))

    def pushed(self, push: Push, ack: Callable[[], None]) -> None:
        """Store, then ack."""
        found = items.pushed(bytes(push.body), UNB)
        if not found:
            ack()
            return

        def stored(done: asyncio.Future[Added]) -> None:
            if not done.cancelled() and done.exception() is None:
                ack()
                self.catch_up.heard()

        self.inbox.do(Add(found, False, RULES)).add_done_callback(stored)

    def odd_frame(self, raw: bytes) -> None:
        """Nothing to do."""

    def beat_answered(self) -> None:
        """Nothing to do."""

    def news(self) -> None:
        """Nothing to do."""

    # What the tests ask.

    def calls(self, lwp: str) -> list[Any]:
        """Return the bodies of the calls of this kind."""
        return [body for _, path, body in self.asked if path == lwp]

    @property
    def uuids(self) -> list[str]:
        """Return the uuids that went out."""
        return [body[0]["uuid"] for body in self.calls(im_calls.SEND)]

    async def rows(self) -> list[Row]:
        """Return everything in the inbox, in the order of its coming."""
        found = await self.inbox.do(Job(lambda store: [store.row(number + 1) for number in range(store.last_row())]))
        return [row for row in found if row is not None]

    async def until(self, true: Callable[[], object], what: str, timeout: float = 5.0) -> None:
        """Wait until something holds."""
        try:
            async with asyncio.timeout(timeout):
                while not true():  # noqa: ASYNC110 (what is waited for knows no event)
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"not within {timeout} s: {what}") from None

    def _asked_turn(self) -> None:
        self.turns += 1
        if self.grant:
            self.catch_up.turn()

    def _zombie(self, reason: Reason, with_new_token: bool) -> None:
        self.zombies.append(str(reason))
        self.new_tokens += with_new_token


def now() -> int:
    """Return the time in milliseconds."""
    return int(time.time() * 1000)


def tempo(**more: Any) -> Tempo:
    """Return a quick tempo with some other values."""
    return msgspec.structs.replace(QUICK, **more)


async def rounds(desk: Desk, count: int = 1) -> None:
    """Wait until so many rounds are over."""
    await desk.until(lambda: desk.catch_up.rounds >= count, f"{count} rounds")
