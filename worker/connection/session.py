"""One connection of one account, from the dial to its end. Shell.

Rules: docs/heartbeat.md; frames: docs/protocol.md. A session runs once. Whatever ends it, no socket and no task of it
is left, and its end is a `ConnectionLost`, or nothing when it was asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from websockets.exceptions import ConnectionClosed

from xyfleet.worker.causes import Cause, ConnectionLost
from xyfleet.worker.clock import ServerClock
from xyfleet.worker.connection.connect import Socket, dial
from xyfleet.worker.connection.interfaces import SessionListener
from xyfleet.worker.connection.keepalive import Keepalive
from xyfleet.worker.connection.loss_causes import ServerClosed, lost_by_close
from xyfleet.worker.connection.rpc import ChannelClosed, NoAnswer, PendingCalls, in_time
from xyfleet.worker.connection.writer import FrameWriter
from xyfleet.worker.protocol import frames
from xyfleet.worker.protocol.frames import Push, Registration, Response
from xyfleet.worker.protocol.mids import Mids
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import WorkerSettings
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.telemetry.metrics import Metrics
from xyfleet.worker.text import shown

REST: Final = 1.0
"""Seconds that a polite end gives to what is on its way."""
MAX_UNREADABLE: Final = 3
"""So many unreadable frames in a row mean that whoever is there does not speak this protocol."""


class TokenRefused(ConnectionLost):
    """`/reg` refused the token."""


class KickedOut(ConnectionLost):
    """Another connection took our place; the token is void."""


class _Left(Exception):
    """The end was asked for."""

    def __init__(self, why: str, polite: bool, after: Callable[[], Awaitable[None]] | None) -> None:
        self.why = why
        self.polite = polite
        self.after = after
        super().__init__(why, polite)


class Session:
    """One connection. `run()` it once; `leave()` ends it from outside, at any moment."""

    def __init__(
        self,
        settings: WorkerSettings,
        token: Secret,
        tls: ssl.SSLContext,
        mids: Mids,
        metrics: Metrics,
        log: AccountLog,
        listener: SessionListener,
        clock: ServerClock,
    ) -> None:
        self._settings = settings
        self._token = token
        self._tls = tls
        self._mids = mids
        self._metrics = metrics
        self._log = log
        self._listener = listener
        self._clock = clock
        self._leaving: asyncio.Future[_Left] = asyncio.get_running_loop().create_future()
        self._tasks: asyncio.TaskGroup
        self._outlet: FrameWriter | None = None
        self._calls: PendingCalls | None = None
        self._pulse: Keepalive | None = None
        self._reg_key: str | None = None
        self._registered: asyncio.Future[Keepalive] = asyncio.get_running_loop().create_future()
        self._sync_wanted = asyncio.Event()
        self._unreadable = 0
        self.began = 0
        """When the connection was registered, in milliseconds since the epoch, by the server's clock."""

    @property
    def proven(self) -> bool:
        """Whether this connection has lived long enough, and was answered, to end all counters (rule 9)."""
        return self._pulse is not None and self._pulse.proven()

    def leave(self, why: str, *, polite: bool = True, after: Callable[[], Awaitable[None]] | None = None) -> None:
        """End the session: with a close frame if `polite` (first let `after` end, for `REST` at most), else at once."""
        if not self._leaving.done():
            self._leaving.set_result(_Left(why, polite, after))

    def apply(self, settings: WorkerSettings) -> None:
        """Take over new heartbeat settings; what concerns the dial waits for the next one."""
        self._settings = settings
        if self._pulse is not None and self._outlet is not None:
            self._outlet.send_timeout = settings.cycle.heartbeat_send_timeout
            self._pulse.retune(settings.cycle)
        if self._calls is not None:
            self._calls.timeout = settings.cycle.register_timeout

    def prove(self, within: float) -> None:
        """Have the connection prove itself: a beat at once, to be answered within so many seconds."""
        if self._pulse is not None:
            self._pulse.prove(within)

    async def ask(self, lwp: str, body: object) -> Response:
        """Return the answer to a call, whatever its code. Raises `NoAnswer` or `ChannelClosed`."""
        if self._calls is None:
            raise ChannelClosed
        return await self._calls.ask(lwp, body)

    async def run(self) -> None:
        """
        Dial, register and live until the end.

        Raises:
            ConnectionLost: the attempt failed, or the connection ended, without being asked to.
        """
        polite = False
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._wait_to_leave())
                self._tasks.create_task(self._live())
        except BaseExceptionGroup as group:
            error = _first(group)
            if not isinstance(error, _Left):
                self._say_why(error)
                raise error from None
            polite = error.polite
            self._say_left(error)
        finally:
            if self._calls is not None:
                self._calls.close()
            if self._outlet is not None:
                # In a task of its own: the group above may leave a cancel request counted on this one, and with one of
                # those `asyncio.timeout` raises CancelledError instead of TimeoutError before Python 3.11.3.
                await asyncio.create_task(self._outlet.end(polite=polite))

    async def _wait_to_leave(self) -> None:
        left = await self._leaving
        if left.polite and left.after is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REST):
                    await left.after()
        raise left

    async def _live(self) -> None:
        socket = await dial(self._settings, self._tls)
        self._outlet = FrameWriter(socket, self._settings.cycle.heartbeat_send_timeout)
        self._calls = PendingCalls(self._outlet, self._mids, self._settings.cycle.register_timeout)
        self._tasks.create_task(self._read(socket))
        self._tasks.create_task(self._outlet.run())
        pulse = await self._register(self._outlet)
        self._tasks.create_task(pulse.beat())
        self._tasks.create_task(pulse.watch())
        self._sync_wanted.set()
        await self._sync(self._calls)

    async def _register(self, outlet: FrameWriter) -> Keepalive:
        mid = self._mids.new()
        self._reg_key = frames.key(mid)
        outlet.post(frames.reg(self._token.reveal(), self._settings.user_agent, self._settings.device_id, mid))
        timeout = self._settings.cycle.register_timeout
        if not await in_time(self._registered, timeout):
            raise ConnectionLost(Cause.NETWORK, Reason("reg_unanswered", {"seconds": timeout}))
        return self._registered.result()

    def _take_registration(self, response: Response) -> None:
        """Act on the answer at once: what comes right behind it, a close say, comes after it."""
        meaning, words = frames.registration(response)
        reason = Reason("reg_refused", {"words": f"{shown(response.code)} {words}"})
        if meaning is Registration.BAD_TOKEN:
            raise TokenRefused(Cause.REFUSED, reason)
        if meaning is not Registration.OK:
            raise ConnectionLost(Cause.LIMIT if meaning is Registration.LIMIT else Cause.PROTOCOL, reason)
        assert self._outlet is not None
        cycle = self._settings.cycle
        self._pulse = Keepalive(cycle, self._outlet, self._mids, self._metrics, self._log, self._listener)
        self._registered.set_result(self._pulse)
        self._clock.registered(frames.time_of_registration(response))
        self.began = self._clock.now()
        self._listener.registered(self)

    async def _read(self, socket: Socket) -> None:
        try:
            while True:
                self._take(await socket.recv(decode=False))
        except ConnectionClosed as error:
            raise lost_by_close(error) from None

    def _take(self, raw: bytes) -> None:
        try:
            frame = frames.parse(raw)
        except frames.Unreadable as error:
            self._unreadable += 1
            self._listener.odd_frame(raw)
            self._log.say(log_texts.FRAME_IGNORED, reason=str(error))
            if self._unreadable >= MAX_UNREADABLE:
                raise ConnectionLost(Cause.PROTOCOL, Reason("unreadable", {"count": self._unreadable})) from None
            return
        self._unreadable = 0
        if isinstance(frame, Response):
            self._take_response(frame)
        elif isinstance(frame, Push):
            self._take_push(frame)
        else:
            self._listener.odd_frame(raw)
            if self._pulse is None or not self._pulse.take_malformed(frame.key):
                self._log.say(log_texts.FRAME_IGNORED, bytes=len(raw))

    def _take_response(self, response: Response) -> None:
        if self._pulse is not None and self._pulse.take(response):
            return
        if response.key == self._reg_key:
            self._reg_key = None
            self._take_registration(response)
        elif self._calls is None or not self._calls.take(response):
            self._log.say(log_texts.ANSWER_FOREIGN, mid=response.key, code=response.code)
        elif response.code == frames.NOT_REGISTERED:
            # Beats may go on being answered: this is the one confession of a connection that is of no use any more.
            raise ConnectionLost(Cause.CLOSED, Reason("not_registered"))

    def _take_push(self, push: Push) -> None:
        self._log.say(log_texts.PUSH_RECEIVED, lwp=push.lwp)
        self._clock.pushed(frames.time_of_push(push))
        self._listener.pushed(push, functools.partial(self._ack, push))
        if push.lwp == frames.KICKOUT:
            raise KickedOut(Cause.CLOSED, Reason("kicked_out"))
        if push.lwp == frames.SESSION_REMOVE:
            raise ConnectionLost(Cause.REMOVED, Reason("session_removed"))
        if frames.wants_state(push):
            self._sync_wanted.set()

    def _ack(self, push: Push) -> None:
        """Say that a push is in good hands; on a connection that is over by now there is nobody to hear it."""
        assert self._outlet is not None
        ack = frames.ack(push)
        if ack is not None and self._outlet.open:
            self._outlet.post(ack)
            self._metrics.push_acked()
            self._listener.news()

    async def _sync(self, calls: PendingCalls) -> None:
        """Confirm the sync position, after the registration and whenever a push asks for it. Never ends anything."""
        while True:
            await self._sync_wanted.wait()
            self._sync_wanted.clear()
            state = await self._try(calls, frames.GET_STATE, frames.STATE_TOPIC)
            if state is not None and bytes(state.body) != b"null":
                await self._try(calls, frames.ACK_DIFF, [state.body])

    async def _try(self, calls: PendingCalls, lwp: str, body: object) -> Response | None:
        """Return the good answer to a call, or None after saying in the log why there is none."""
        try:
            answer = await calls.ask(lwp, body)
        except NoAnswer:
            self._log.say(log_texts.SYNC_FAILED, lwp=lwp, code="none")
            return None
        if answer.ok:
            return answer
        self._log.say(log_texts.SYNC_FAILED, lwp=lwp, code=answer.code)
        return None

    def _say_why(self, error: BaseException) -> None:
        if isinstance(error, ServerClosed):
            self._log.say(log_texts.SOCKET_CLOSED, cause=error.cause.value, reason=str(error.reason))
        elif isinstance(error, ConnectionLost):
            self._log.say(log_texts.SOCKET_ERROR, cause=error.cause.value, reason=str(error.reason))
        else:
            reason = f"program error: {type(error).__name__}"
            self._log.say(log_texts.SOCKET_ERROR, cause=Cause.BUG.value, reason=reason)

    def _say_left(self, left: _Left) -> None:
        if self._outlet is not None:
            self._log.say(log_texts.SOCKET_CLOSED, reason=left.why)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that ended the tasks, a program error before all others."""
    errors = list(group.exceptions)
    return next((error for error in errors if not isinstance(error, (ConnectionLost, _Left))), errors[0])
