"""The inside of a worker process: pipes, log, signals and the cycle, in one event loop. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import ssl
from collections.abc import Iterator
from typing import Any, Final

import uvloop

from xyfleet.worker.account import AccountRunner
from xyfleet.worker.clock import Timing
from xyfleet.worker.connection.client_tls import client_tls
from xyfleet.worker.handlers.surroundings import ordinary
from xyfleet.worker.ipc.messages import Hello, Ticket
from xyfleet.worker.ipc.pipes import CommandPipe, ReportPipe
from xyfleet.worker.private_files import open_private
from xyfleet.worker.process import zero_pages
from xyfleet.worker.process.adopted import Adopted
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.secret import proxy_secrets
from xyfleet.worker.settings import LogSettings, WorkerSettings
from xyfleet.worker.telemetry.account_log import AccountLog, LibraryLogHandler
from xyfleet.worker.telemetry.memory import Memory

STOPPED: Final = 0
BUG: Final = 1
SUPERVISOR_GONE: Final = 3
HANDLER_STUCK: Final = 4
"""The owner's handler blocks for good; only a new process can call it again."""
_STDERR: Final = 2
MAX_STACKS: Final = 65_536
"""Bytes of old stack dumps with which a new worker still begins; they must not fill the disk."""


class WorkerRuntime:
    """One worker's life in its process. `run()` returns the exit code."""

    def __init__(
        self,
        settings: WorkerSettings,
        ticket: Ticket | None,
        hello: Hello,
        tls: ssl.SSLContext,
        pace: Timing = Timing(),  # noqa: B008 - it is frozen
    ) -> None:
        self._settings = settings
        self._ticket = ticket
        self._hello = hello
        self._tls = tls
        self._pace = pace
        self._log = AccountLog(
            settings.account, settings.log, [*proxy_secrets(settings.proxy), *settings.mail.handler_env.values()]
        )
        self._code = STOPPED
        # Never closed: uvloop's `close()` waits for a name look-up that hangs, half a minute and more. Our reference
        # keeps the loop's memory for the thread that hangs in it; the end of the process takes both.
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

    def run(self, up: int, down: int) -> int:
        """Live until stopped, until the supervisor is gone, or until a program error."""
        try:
            with self.surroundings():
                self._runner.run(self.live(up, down))
        except Exception as error:  # noqa: BLE001 (the process ends here: the log is the last that can hear of it)
            self._log.bug(error)
            self._code = BUG
        finally:
            self.close()
        return self._code

    def close(self) -> None:
        """Have the last lines written."""
        self._log.close()

    @contextlib.contextmanager
    def surroundings(self) -> Iterator[None]:
        """Lead what libraries log, and where threads are at a crash, to the account's files."""
        bridge = LibraryLogHandler(self._log)
        logging.getLogger().addHandler(bridge)
        try:
            with stack_dumps(self._settings.account, self._settings.log), self._listening_to_handler():
                yield
        finally:
            logging.getLogger().removeHandler(bridge)

    @contextlib.contextmanager
    def _listening_to_handler(self) -> Iterator[None]:
        """Be what the owner's handler expects of a process, where there is one."""
        settings = self._settings.mail
        with contextlib.nullcontext() if settings.handler is None else ordinary(self._log, settings.handler_env):
            yield

    async def live(self, up: int, down: int) -> None:
        """Live in the loop that runs; `run()` has one of its own."""
        loop = asyncio.get_running_loop()
        zero_pages.give_back_zeroes(loop)
        settings = self._settings
        # The system's trust store is the forkserver's, shared by all; one of the settings is this worker's own.
        tls = self._tls if settings.ca_file is None else client_tls(settings.ca_file)
        pipe = ReportPipe(up, self._gone)
        memory = Memory(self._pace.memory_after)
        self._cycle = AccountRunner(settings, self._ticket, pipe, self._log, tls, memory, self._pace)
        pipe.send(self._hello)
        commands = CommandPipe(down, self._cycle.receive, self._gone)
        loop.add_signal_handler(signal.SIGTERM, self._cycle.stop, Reason("stopped_by_signal"))
        loop.set_exception_handler(self._stray_error)
        burying = None if settings.mail.handler is None else loop.create_task(Adopted().run(settings.report_interval))
        try:
            await self._cycle.run()
            if self._cycle.handler_stuck is not None:
                self._code = HANDLER_STUCK
        finally:
            if burying is not None:
                burying.cancel()
            commands.close()
            pipe.close()

    def _gone(self, why: str) -> None:
        """Leave at once: whoever could want this worker is no more, and the next supervisor starts its own."""
        self._code = SUPERVISOR_GONE
        self._cycle.stop(words(why), polite=False)

    def _stray_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log an error that nobody waits for: in a callback, or in a task that a library left."""
        self._log.bug(context.get("exception") or RuntimeError(context["message"]), where=context["message"])


@contextlib.contextmanager
def stack_dumps(account: str, log: LogSettings) -> Iterator[None]:
    """
    Have SIGUSR1, and a crash, write where all threads are into `<account>.stack.log`, or standard error.

    faulthandler wants the file open beforehand; one that stayed empty is removed at the end.
    """
    path = os.path.join(log.dir, f"{account}.stack.log") if log.dir is not None else None
    fd = _STDERR
    if path is not None:
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            fd = open_private(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            if os.fstat(fd).st_size > MAX_STACKS:
                os.ftruncate(fd, 0)
    faulthandler.enable(fd)
    faulthandler.register(signal.SIGUSR1, fd, all_threads=True)
    try:
        yield
    finally:
        faulthandler.unregister(signal.SIGUSR1)
        faulthandler.disable()
        if path is not None and fd != _STDERR:
            empty = os.fstat(fd).st_size == 0
            os.close(fd)
            with contextlib.suppress(FileNotFoundError):
                if empty:
                    os.unlink(path)
