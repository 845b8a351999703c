"""Calls an account's webhook through the fleet's webhook process, over its Unix socket. Shell.

One JSON value a line, many calls on one connection: `{"number", "fleet", "account", "timeout", "message"}` there, and
back `{"number", "replies", "hand_over"}`, `{"number", "failed"}` (it was or may have been posted, in vain) or
`{"number", "refused"}` (it was not posted).
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from xyfleet.worker.handlers.base import (
    CheckedAnswer,
    HandlerFailed,
    HandlerUnsure,
    HandOver,
    NotCalled,
    Reply,
    checked,
    with_images_from,
)
from xyfleet.worker.protocol.message import Message
from xyfleet.worker.reasons import Reason
from xyfleet.worker.text import cut

MAX_LINE: Final = 1024 * 1024
"""Bytes of an answer: a webhook's 64 KiB in any spelling that JSON has for them."""


class Limits(NamedTuple):
    """Seconds."""

    idle: float = 30.0
    """Without a call after which the connection is closed."""
    grace: float = 5.0
    """After a call's timeout, which the webhook process sees to, before that process is said to hang."""
    first_delay: float = 0.5
    """After the first failed try to connect, or the first refusal; doubles each time."""
    longest_delay: float = 30.0


class _Request(msgspec.Struct, frozen=True):
    number: int
    fleet: str
    account: str
    timeout: float
    message: Message


class _Answer(msgspec.Struct, frozen=True):
    number: int
    replies: list[Reply] = []
    hand_over: HandOver | None = None
    failed: str | None = None
    later: bool = False
    refused: Reason | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Answer).decode


class _Lost(Exception):
    """The connection ended before the answer came."""


class WebhookHandler:
    """
    The webhook of one account, as a handler.

    Args:
        path: The webhook process's socket.
        whose: The fleet's and the account's name.
        changed: Called when `trouble` comes, changes or goes.
        folder: Where the paths of images begin.
    """

    def __init__(
        self,
        path: str,
        whose: tuple[str, str],
        changed: Callable[[], None],
        limits: Limits | None = None,
        folder: str = "",
    ) -> None:
        self._path = path
        self._fleet, self._account = whose
        self._changed = changed
        self._limits = limits or Limits()
        self._folder = folder
        self._numbers = itertools.count(1)
        self._calls: dict[int, asyncio.Future[_Answer]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unreachable: Reason | None = None
        self._tries = 0
        """To connect, that failed since one did not."""
        self._refused: Reason | None = None
        self._refusals = 0
        """Since the last call that was none."""
        self._wait = 0.0
        """Seconds that `ready()` is to wait."""
        self._closed = False

    @property
    def trouble(self) -> Reason | None:
        """Why the webhook can't be called now."""
        return self._unreachable or self._refused

    def start(self) -> None:
        """Do nothing: the connection is made when there is something to say."""

    async def ready(self) -> None:
        """Wait until there is a connection; after a refusal for a while longer."""
        while self._wait or self._writer is None:
            wait, self._wait = self._wait, 0.0
            await asyncio.sleep(wait)
            if self._writer is None:
                await self._connect()

    async def call(self, message: Message, timeout: float) -> CheckedAnswer | None:
        """Have the message posted, and return the webhook's answer; see `Handler`."""
        writer = self._writer
        if writer is None or self._closed:
            raise NotCalled
        number = next(self._numbers)
        answer = self._calls[number] = asyncio.get_running_loop().create_future()
        self._rest_later()
        # A buffer that is never waited for: `handler_concurrency` bounds what can be in it.
        writer.write(_encode(_Request(number, self._fleet, self._account, timeout, message)) + b"\n")
        try:
            async with asyncio.timeout(timeout + self._limits.grace):
                return self._meaning(await answer)
        except TimeoutError:
            self._drop()  # it hangs; the others are as badly off
            raise HandlerUnsure(f"the webhook process gave no sign of life within {timeout:g} s") from None
        except _Lost:
            raise HandlerUnsure("the connection to the webhook process was lost during the call") from None
        finally:
            del self._calls[number]
            self._rest_later()

    async def close(self) -> None:
        """End the connection, and with it all calls."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        reading = self._reading
        self._drop()
        if reading is not None:
            await asyncio.wait((reading,))

    def _meaning(self, answer: _Answer) -> CheckedAnswer | None:
        if answer.refused is not None:
            self._refusals += 1
            self._wait = self._delay(self._refusals)
            self._tell(self._unreachable, Reason("webhook", {"of": answer.refused.cleaned(cut)}))
            raise NotCalled
        self._refusals = 0
        self._tell(self._unreachable, None)
        if answer.failed is not None:
            raise HandlerFailed(f"webhook: {answer.failed}", later=answer.later)
        parts = [*answer.replies, *([] if answer.hand_over is None else [answer.hand_over])]
        return with_images_from(self._folder, checked(parts))

    async def _connect(self) -> None:
        try:
            reader, writer = await asyncio.open_unix_connection(self._path, limit=MAX_LINE)
        except OSError as error:
            self._tries += 1
            self._wait = self._delay(self._tries)
            if self._tries > 1:  # once may be the moment in which it is started anew
                why = Reason("webhook_unreachable", {"words": error.strerror or str(error)})
                self._tell(Reason("webhook", {"of": why}), self._refused)
            return
        self._tries = 0
        self._tell(None, self._refused)
        self._writer = writer
        self._reading = asyncio.create_task(self._read(reader, writer))
        self._rest_later()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Give each answer to who waits for it, until the connection ends, or what comes is no answer."""
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                answer = _decode(line)
                waiting = self._calls.get(answer.number)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
        except (ConnectionError, ValueError, msgspec.MsgspecError):
            pass  # the calls that are on tell about it; ValueError: longer than MAX_LINE
        finally:
            if self._writer is writer:
                self._drop()

    def _drop(self) -> None:
        """Let go of the connection; calls that are on end as lost."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        for waiting in self._calls.values():
            if not waiting.done():
                waiting.set_exception(_Lost())

    def _delay(self, failures: int) -> float:
        """Return the wait after so many failures, up to a quarter less: a fleet's workers must not knock together."""
        full: float = self._limits.first_delay * 2.0 ** min(failures - 1, 30)
        return min(full, self._limits.longest_delay) * random.uniform(0.75, 1.0)

    def _rest_later(self) -> None:
        """Close the connection when there is no call for a while."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._calls and self._writer is not None:
            self._timer = asyncio.get_running_loop().call_later(self._limits.idle, self._drop)

    def _tell(self, unreachable: Reason | None, refused: Reason | None) -> None:
        before = self.trouble
        self._unreachable, self._refused = unreachable, refused
        if self.trouble != before:
            self._changed()
