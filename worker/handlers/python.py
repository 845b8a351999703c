"""Calls a Python function as handler, in a thread of its own: it may be slow, raise, hang and block. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple

from xyfleet.worker.handlers.api import PROGRESS, Account, AskFailed, HandlerPorts, Progress
from xyfleet.worker.handlers.base import (
    CheckedAnswer,
    HandlerFailed,
    HandlerUnsure,
    NotCalled,
    checked,
    with_images_from,
)
from xyfleet.worker.handlers.failures import described, told
from xyfleet.worker.handlers.loader import Function
from xyfleet.worker.handlers.loop_thread import LoopThread
from xyfleet.worker.handlers.own_code import OwnCode
from xyfleet.worker.handlers.thread_watch import Limits, ThreadWatch
from xyfleet.worker.protocol.message import Message
from xyfleet.worker.reasons import Reason
from xyfleet.worker.settings import MailSettings
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog

_EARLY: Final = 0.01
"""Seconds by which a timer may be early."""


class Renewal(NamedTuple):
    """What came of loading anew."""

    renewed: bool
    trouble: Reason | None = None
    """Why it can't be loaded: the old code goes on answering."""
    stale: bool | None = False
    """Of a look: whether what lies there is not what is loaded; None = nothing is yet."""


class _Outcome(NamedTuple):
    """What became of a call; made in the thread, so that nothing of the owner's is looked at outside it."""

    answer: CheckedAnswer | None = None
    reason: str | None = None
    """Not None = it failed."""
    trace: str | None = None
    unsure: bool = False
    """Whether the worker's end cut it off, so that nobody knows how far it came."""
    later: bool = False
    """Whether it failed for the platform, which could not be asked now."""


class PythonHandler:
    """
    The functions of one account that are asked in turn, in a thread that is started with the first import.

    Args:
        stuck: Called with the reason, once, when the thread blocks for good: only a new process helps.
    """

    def __init__(
        self,
        settings: MailSettings,
        account: str,
        ports: HandlerPorts,
        log: AccountLog,
        changed: Callable[[], None],
        stuck: Callable[[Reason], None],
        limits: Limits | None = None,
    ) -> None:
        self._spec = settings.handler or ""
        self._folder = settings.handler_path
        self._timeout = settings.handler_timeout
        self._label = settings.label
        self._account_name = account
        self._ports = ports
        self._log = log
        self._changed = changed
        self._stuck = stuck
        self._limits = limits or Limits()
        self._thread: LoopThread | None = None
        self._watch: ThreadWatch | None = None
        self._account: Account | None = None
        self._code = OwnCode(self._spec, self._folder, settings.handler_packages)
        self._ready_rules = settings.ready
        self._functions: Sequence[Function] = ()
        self._usable = asyncio.Event()
        self._importing: asyncio.Task[None] | None = None
        self._import_trouble: Reason | None = None
        self._renewals: set[asyncio.Task[Renewal]] = set()
        self._loads = asyncio.Lock()
        self._count = 0
        """How often it was loaded."""
        self.stale: str | None = None
        """The name of a file of the owner's that is not what was loaded; None = all are."""
        self._closed = False

    @property
    def trouble(self) -> Reason | None:
        """Why it can't be called now, or does not come back from calls."""
        return self._import_trouble if self._watch is None else self._watch.trouble or self._import_trouble

    def start(self) -> None:
        """Begin the import."""
        if self._thread is None and not self._closed:
            self._thread = LoopThread("handler", self._say_stray)
            self._watch = ThreadWatch(
                self._thread,
                self._spec,
                self._folder,
                self._timeout,
                self._limits,
                self._log,
                self._changed,
                self._stuck,
            )
            self._account = Account(self._account_name, self._label, self._ports, self._folder)
            self._importing = asyncio.create_task(self._import(self._thread))

    async def ready(self) -> None:
        """Wait until the function is imported."""
        self.start()
        await self._usable.wait()

    def apply(self, settings: MailSettings) -> None:
        """Take over other rules of the ready handlers; the functions stay those that they are."""
        if settings.ready != self._ready_rules:
            self._ready_rules = settings.ready
            self.renew()

    def renew(self, *, only_stale: bool = False) -> asyncio.Task[Renewal]:
        """
        Load everything anew, in the live thread; calls that are on end in the old code.

        Args:
            only_stale: Only if a file of the owner's is not what was loaded.
        """
        return self._begin(self._renew(only_stale=only_stale))

    def look(self) -> asyncio.Task[Renewal]:
        """Only tell whether a renewal of what is stale would load anything."""
        return self._begin(self._look())

    async def call(self, message: Message, timeout: float) -> CheckedAnswer | None:
        """Return what the function answers; see `Handler`. It is cancelled after `timeout` seconds."""
        if self._thread is None or self._watch is None or self._closed:
            raise NotCalled
        call = self._thread.submit(self._perform(message, timeout))
        try:
            with self._watch.calling(call, timeout):
                outcome = await call
        except asyncio.CancelledError:
            if _is_being_cancelled() or not call.cancelled():
                raise
            raise NotCalled from None  # the thread ended before the call began
        if outcome.unsure:
            raise HandlerUnsure(outcome.reason or "")
        if outcome.reason is not None:
            raise HandlerFailed(outcome.reason, outcome.trace, later=outcome.later)
        return outcome.answer

    async def close(self) -> None:
        """Cancel what is on, and end the thread; one that blocks is left to the end of the process."""
        self._closed = True
        if self._watch is not None:
            self._watch.close()
        loads: list[asyncio.Task[Any]] = [*self._renewals, *([] if self._importing is None else [self._importing])]
        for load in loads:
            load.cancel()
        if loads:
            await asyncio.wait(loads)
        if self._thread is not None:
            await self._thread.close(self._limits.end)

    # In the thread.

    async def _perform(self, message: Message, timeout: float) -> _Outcome:
        functions, progress = self._functions, Progress()
        PROGRESS.set(progress)
        scope = asyncio.timeout(timeout)
        try:
            async with scope:
                # What it returns after its cancellation is its answer all the same: it has acted.
                return _Outcome(with_images_from(self._folder, await self._in_turn(functions, message)))
        except HandlerFailed as error:
            return _Outcome(reason=error.reason)
        except BaseException as error:  # noqa: BLE001 (SystemExit too must not end the thread)
            if scope.expired() and isinstance(error, TimeoutError | asyncio.CancelledError):
                waits = progress.waited + _EARLY >= (scope.when() or 0.0)  # an earlier wait may have had its own limit
                return _Outcome(reason=f"no answer within {timeout:g} s", later=waits and not progress.has_sent)
            if self._closed:
                return _Outcome(reason="the worker ended in the middle of the call", unsure=True)
            reason, trace = told(error, message.text)
            later = isinstance(error, AskFailed) and error.later and not progress.has_sent
            return _Outcome(reason=self._log.clean(reason), trace=trace, later=later)

    async def _in_turn(self, functions: Sequence[Function], message: Message) -> CheckedAnswer | None:
        """Return the first answer."""
        for function in functions:
            if (answer := checked(await function(message, self._account))) is not None:
                return answer
        return None

    async def _load(self) -> tuple[Reason, str | None] | None:
        """Import; return the reason and the traceback when that fails."""
        failures: list[tuple[Reason, str | None]] = []
        try:
            self._functions = self._code.load(self._ready_rules, lambda error: failures.append(described(error)))
        except BaseException:  # noqa: BLE001 (whatever the owner's module raises; it is described by now)
            return failures[0]
        return None

    async def _look_at_files(self) -> str | None:
        return self._code.changed()

    # In the worker's loop.

    def _begin(self, job: Coroutine[Any, Any, Renewal]) -> asyncio.Task[Renewal]:
        """Do it in a task that ends with the handler."""
        renewal = asyncio.create_task(job)
        self._renewals.add(renewal)
        renewal.add_done_callback(self._renewals.discard)
        return renewal

    async def _import(self, thread: LoopThread) -> None:
        while not await self._imported(thread):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.retry):
                    await self._usable.wait()  # a renewal loads it too
        while self._code.has_files:
            await asyncio.sleep(self._limits.files)
            self._note_stale(await thread.submit(self._look_at_files()))

    def _note_stale(self, stale: str | None) -> None:
        if stale != self.stale:
            self.stale = stale
            self._changed()

    async def _imported(self, thread: LoopThread) -> bool:
        """Load what could not be loaded so far; return whether it is loaded now."""
        async with self._loads:
            if self._usable.is_set():
                return True
            failure = await self._loaded(thread)
            if failure is None:
                self._usable.set()
        trouble = None if failure is None else self._unusable(failure[0])
        if trouble != self._import_trouble:
            self._import_trouble = trouble
            if failure is not None:
                self._log.say(log_texts.HANDLER_UNUSABLE, reason=str(trouble), traceback=failure[1])
            self._changed()
        return failure is None

    async def _look(self) -> Renewal:
        if self._thread is None:
            return Renewal(False, stale=None)
        if not self._usable.is_set():
            return Renewal(False, stale=True)  # an import on its way may have read what is old by now, or hang
        async with self._loads:
            return Renewal(False, stale=await self._thread.submit(self._look_at_files()) is not None)

    async def _renew(self, *, only_stale: bool) -> Renewal:
        if self._thread is None:
            return Renewal(False)  # it is begun with what lies there
        before = self._count
        if not await self._imported(self._thread):
            return Renewal(False, self._import_trouble)
        async with self._loads:
            if only_stale and await self._thread.submit(self._look_at_files()) is None:
                return Renewal(self._count > before)
            failure = await self._loaded(self._thread)
        self._note_stale(await self._thread.submit(self._look_at_files()))
        if failure is None:
            self._log.say(log_texts.HANDLER_RENEWED, handler=self._spec)
            return Renewal(True)
        reason = self._unusable(failure[0])
        self._log.say(log_texts.HANDLER_NOT_RENEWED, reason=str(reason), traceback=failure[1])
        return Renewal(False, reason)

    async def _loaded(self, thread: LoopThread) -> tuple[Reason, str | None] | None:
        """Load, which only one may at a time."""
        assert self._watch is not None
        with self._watch.loading():
            failure = await thread.submit(self._load())
        self._count += failure is None
        return failure

    def _unusable(self, why: Reason) -> Reason:
        return Reason("handler_unusable", {"name": self._spec, "of": why.cleaned(self._log.clean)})

    def _say_stray(self, error: BaseException) -> None:
        """Log an error in a task that nobody waits for. Its words are left out: they may be a buyer's."""
        trace = "".join(traceback.format_tb(error.__traceback__))
        self._log.say(log_texts.HANDLER_STRAY, handler=self._spec, error=type(error).__name__, traceback=trace or None)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
