"""Runs the prepared fleet: everything that lives in the supervisor's event loop, from start to stop. Shell."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TextIO

from xyfleet.supervisor.api.routes import make_app
from xyfleet.supervisor.api.tcp_server import TcpServer
from xyfleet.supervisor.api.unix_server import ApiServer
from xyfleet.supervisor.common.errors import Refused
from xyfleet.supervisor.common.event_log import EventLog
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.common.paths import webhook_socket
from xyfleet.supervisor.common.timestamps import zone
from xyfleet.supervisor.config.reading.problems import Problem
from xyfleet.supervisor.control.operations import FleetOperations
from xyfleet.supervisor.login_hook.service import HookService
from xyfleet.supervisor.presentation.console import Console
from xyfleet.supervisor.runtime.closing import LAST, Closing, Step
from xyfleet.supervisor.runtime.console_feed import feed
from xyfleet.supervisor.runtime.housekeeping import Housekeeping
from xyfleet.supervisor.runtime.instance_lock import AlreadyRunning
from xyfleet.supervisor.runtime.orphans import Orphans
from xyfleet.supervisor.runtime.parts import START_QUEUE, Parts
from xyfleet.supervisor.runtime.patience import patience
from xyfleet.supervisor.runtime.premises import Premises
from xyfleet.supervisor.runtime.standstill import Standstill
from xyfleet.supervisor.runtime.systemd import Systemd
from xyfleet.supervisor.supervision.fleet import Fleet, token_limits
from xyfleet.supervisor.tokens.egress import tls_context
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.supervisor.workers.slot import STOP_TIMEOUT
from xyfleet.supervisor.workers.worker_config import Gateway, gateway_of

ACCOUNTS_PER_SECOND: Final = 200
"""How many accounts' figures the live line may gather per second."""

LIFE_EVERY: Final = 10.0
"""Seconds between two signs of life."""
LOCK_EVERY: Final = 2.0
"""Seconds between two looks at whether the lock files are still ours."""
FAILURE: Final = 1

log = logging.getLogger(__name__)


async def serve(premises: Premises, warnings: Sequence[Problem], ready: Callable[[float], None]) -> int:
    """Run the fleet until it is told to stop; return the exit code."""
    service = Service(premises)
    try:
        await service.open()
        ready(service.patience())
        service.systemd.ready()
        if premises.detached and premises.settings.fleet.log.dir is not None:
            let_go_of_terminal()
        service.greet(warnings)
        return FAILURE if await service.run() is not None else 0
    except Exception:
        # Standard error may lead nowhere by now, or to a terminal that nobody reads.
        log.critical("the fleet ends: fault in the supervisor", exc_info=True)
        raise
    finally:
        await service.close()


class Service:
    """The event loop's inhabitants, and what signals do to them."""

    def __init__(self, premises: Premises) -> None:
        self._premises = premises
        settings, fleet = premises.settings, premises.settings.fleet
        if premises.fresh:
            premises.store.book.forget_stops()
        events = EventLog(fleet.state_dir / "events.jsonl")
        gateway = _gateway(premises)
        limits = token_limits(fleet)
        tokens = TokenService(
            premises.store,
            gateway.token_url,
            tls_context(gateway.ca_file),
            limits,
        )
        self._fleet = Fleet(
            settings,
            gateway,
            forkserver=premises.forkserver,
            store=premises.store,
            events=events,
            tokens=tokens,
            hooks=HookService(premises.store, settings.refresh, settings.path.parent, fleet.log.dir),
            verbose=premises.verbose,
            webhook_socket=webhook_socket(premises.socket.parent),
            user_locks=premises.user_locks,
        )
        self._parts = Parts(self._fleet.notes)
        self._closing = Closing()
        self._orphans = Orphans()
        self._stop = self._parts.ended
        self.systemd = Systemd(premises.env)
        self._standstill = Standstill(fleet.log.dir)
        self._operate = FleetOperations(
            self._fleet, premises.env, language=premises.language, detached=premises.detached, end=self._stop.set
        )
        self._operate.on_reload = (self.systemd.reloading, self.systemd.ready)
        self._api = ApiServer(self._operate, premises.socket)
        self._http: TcpServer | None = None
        if premises.door is not None:
            self._http = TcpServer(make_app(self._operate, premises.door.token), premises.door)
        # Asked now: of a terminal that went away nobody can say any more that it was one.
        self._on_terminal = any(map(os.isatty, range(3)))
        self._console: Console | None = None
        if not premises.detached:
            self._console = Console(
                _standard_output(),
                is_tty=sys.stdout.isatty(),
                language=premises.language,
                zone=zone(fleet.timezone),
                accounts=len(settings.accounts),
                simulator=fleet.simulator is not None,
            )

    async def open(self) -> None:
        """Listen on the control socket and for signals, and enlist the accounts."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._asked_to_stop, "SIGTERM")
        loop.add_signal_handler(signal.SIGINT, self._asked_to_stop, "SIGINT")
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        await self._api.start()
        for account in self._premises.settings.accounts.values():
            self._fleet.enlist(account)

    def patience(self) -> float:
        """Return how many seconds it may take until all accounts are connected, if nothing goes wrong."""
        fleet = self._fleet
        held = {name: fleet.store.get(name) for name, member in fleet.members.items() if member.wanted}
        return patience(fleet.settings, held, time.time())

    def greet(self, warnings: Sequence[Problem]) -> None:
        """Show the warnings about the file."""
        for warning in warnings:
            log.warning("%s", warning)
            if self._console is not None:
                self._console.say(str(warning))

    async def run(self) -> str | None:
        """Start the workers and serve until somebody says stop; return why the fleet can't go on, None = it could."""
        fleet, parts = self._fleet, self._parts
        asyncio.get_running_loop().set_exception_handler(parts.stray)
        for member in fleet.members.values():
            fleet.begin(member)
        parts.start(START_QUEUE, fleet.launcher.run, vital=True)
        parts.start("outages", fleet.recovery.run)
        parts.start("hang watchdog", fleet.watch.run)
        parts.start("renewals", fleet.renewals.run)
        parts.start("webhooks", fleet.mail.webhooks.run)
        chores = Housekeeping(fleet, self._api)
        parts.start("housekeeping", chores.run)
        parts.start("cookie files", chores.watch_cookie_files)
        parts.start("sign of life", self._live)
        parts.start("lock", self._keep_locks)
        parts.start("console", self._show)
        parts.start("orphans", self._orphans.run)
        if self._http is not None:
            parts.start("API on TCP", self._http.run)
            log.info("the API is on TCP too, port %d", self._http.port)
        await self._stop.wait()
        if parts.cause is not None and self._console is not None:
            self._console.say(parts.cause)
        return parts.cause

    async def _live(self) -> None:
        """Wind the clock that watches this loop, and tell systemd that it turns."""
        while True:
            self._standstill.wind()
            health = self._operate.health()
            self.systemd.alive(f"{health.connected} of {health.wanted} accounts connected")
            await asyncio.sleep(LIFE_EVERY)

    async def _keep_locks(self) -> None:
        """End the fleet when its lock file is another's: two would dial for the same accounts."""
        while True:
            await asyncio.sleep(LOCK_EVERY)
            for lock in self._premises.locks:
                try:
                    lock.keep()
                except AlreadyRunning as other:
                    self._parts.give_up(f"the lock {lock.path} is not ours any more, pid {other.pid} holds it")
                    return

    async def close(self) -> None:
        """End the workers politely, then everything else; the state is saved last, whatever happened before."""
        self.systemd.stopping()
        self._standstill.wind()
        steps = [
            Step("parts", self._parts.stop, 1.0),
            Step("changes of accounts", self._operate.settle, 1.0),
            Step("workers", self._stop_workers, STOP_TIMEOUT + 1.0),
            Step("webhooks", self._fleet.mail.webhooks.close, 2.0),
            Step("hooks", self._fleet.hooks.close, 1.0),
            Step("control socket", self._api.close, 1.5),
        ]
        if self._http is not None:
            steps.append(Step("API on TCP", self._http.close, 1.5))
        steps.append(Step("forkservers", self._close_launcher, 1.0))
        steps.append(Step("orphans", self._orphans.close, 1.5))
        if self._console is not None:
            steps.append(Step("console", partial(asyncio.to_thread, self._console.close), 1.0))
        steps.append(Step("events", self._fleet.events.written, 1.0))
        await self._closing.run(steps, Step("state", self._save, LAST))
        self._standstill.close()

    async def _stop_workers(self) -> None:
        started = time.monotonic()
        await asyncio.gather(self._fleet.stop_all(), self._fleet.tokens.close(), self._fleet.asks.shipments.close())
        log.info("all workers are gone after %.2f s", time.monotonic() - started)

    async def _close_launcher(self) -> None:
        self._fleet.launcher.close()

    async def _save(self) -> None:
        if not await self._premises.store.close(LAST):
            log.error("the state could not be saved completely")

    async def _show(self) -> None:
        """Feed the console until its terminal goes away."""
        if self._console is not None:
            pause = max(1.0, len(self._fleet.members) / ACCOUNTS_PER_SECOND)
            await feed(self._console, self._fleet.events, partial(self._operate.status, []), pause)
            self._lose_terminal()

    def _asked_to_stop(self, signal_name: str) -> None:
        if self._stop.is_set():
            self._closing.hurry()
            self._fleet.kill_all()
        else:
            self._operate.stop(signal_name)

    def _hung_up(self) -> None:
        if self._operate.detached or not self._on_terminal:
            self._fleet.jobs.run(self._reload())
        else:
            self._lose_terminal()

    async def _reload(self) -> None:
        try:
            await self._operate.reload("SIGHUP")
        except Refused as refusal:
            log.error("reload refused: %s", refusal)

    def _lose_terminal(self) -> None:
        """The terminal went away; the fleet does not."""
        self._operate.detached = True
        self._fleet.notes["terminal"] = Text(N_("the terminal went away; the fleet goes on detached"))
        log.warning("%s", self._fleet.notes["terminal"].say("en"))
        let_go_of_terminal()


def let_go_of_terminal() -> None:
    """Write to nowhere from now on what would go to a terminal that is not ours any more."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)


def _standard_output() -> TextIO:
    """Return it without a buffer: Python aborts at its end when a thread that waits for the reader has the lock."""
    raw = open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115 (it stays open)
    return io.TextIOWrapper(raw, sys.stdout.encoding, sys.stdout.errors, write_through=True)


def _gateway(premises: Premises) -> Gateway:
    return gateway_of(premises.settings.fleet) if premises.embedded is None else premises.embedded.gateway
