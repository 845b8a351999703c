"""The worker's two pipes: reports go up and never wait, commands come down. Shell.

A supervisor that does not read costs no heartbeat: what can't be written now is kept, the newest report only, and
tried again. A supervisor that is gone ends the worker.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import msgspec

from xyfleet.worker.ipc.codec import MAX_DOWN, MAX_UP, BadMessage, FrameDecoder, decode_down, encode
from xyfleet.worker.ipc.figures import MAX_CHANGES
from xyfleet.worker.ipc.messages import (
    Ask,
    Down,
    HandlerRenewed,
    Redone,
    Report,
    Sent,
    Strange,
    TalkPiece,
    Told,
    Up,
    UploadRequest,
)
from xyfleet.worker.reasons import Reason

_Place = tuple[type, int, int]
"""A kind of message, and of an answer its request and its number."""

RETRY: Final = 0.25
"""Seconds between two tries to write into a full pipe."""
READ_SIZE: Final = 65536
_NUMBERED: Final = (Sent, Redone, HandlerRenewed, Ask, UploadRequest, TalkPiece)
CURT: Final = 60
"""Characters that are left of each text in a message that is too long."""
NO_SHAPE: Final = "null"
"""The shape of a strange thing that does not fit."""


def newer(old: Up | None, new: Up) -> Up:
    """Return `new`; a report takes the changes of the unsent one it replaces along, the newest `MAX_CHANGES`."""
    if not isinstance(new, Report) or not isinstance(old, Report):
        return new
    return msgspec.structs.replace(new, changes=[*old.changes, *new.changes][-MAX_CHANGES:])


def fit(message: Up) -> bytes:
    """
    Return the message's frame; one that is too long for one write gives up what can best be done without.

    Of a report these are its oldest changes, then words, then the names of strange things; of one of those, its shape.

    Raises:
        BadMessage: there is nothing left to give up.
    """
    while True:
        try:
            return encode(message, MAX_UP)
        except BadMessage:
            shorter = _shorter(message)
            if shorter == message:
                raise
            message = shorter


def _shorter(message: Up) -> Up:
    """Return the message without something, itself when there is nothing that it could do without."""
    if isinstance(message, Strange):
        return msgspec.structs.replace(message, shape=NO_SHAPE)
    if not isinstance(message, Report | Sent | Told):
        return message
    if isinstance(message, Report) and message.changes:
        return msgspec.structs.replace(message, changes=message.changes[1:])
    curt: Report | Sent | Told = _curt(message)
    if curt == message and isinstance(message, Report):
        return msgspec.structs.replace(message, mail=msgspec.structs.replace(message.mail, strange={}))
    return curt


def _curt(message: Any) -> Any:
    """Return the message with every text in it cut short."""
    if isinstance(message, Reason):
        return message.cleaned(lambda words: words[:CURT])
    return msgspec.structs.replace(
        message,
        **{
            name: value[:CURT] if isinstance(value, str) else _curt(value)
            for name, value in msgspec.structs.asdict(message).items()
            if isinstance(value, str | msgspec.Struct) and not isinstance(value, Enum)
        },
    )


class ReportPipe:
    """The writing end. `gone` is called when nobody holds the reading end any more."""

    def __init__(self, fd: int, gone: Callable[[str], None]) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        # At most one of each kind, but for questions and answers: one for each request, or its pieces. In the order of
        # their coming.
        self._waiting: dict[_Place, Up] = {}
        self._retry: asyncio.TimerHandle | None = None

    def send(self, message: Up) -> None:
        """Write the message, or keep it until there is room, in the place of an older one of its kind."""
        request = message.request if isinstance(message, _NUMBERED) else 0
        place = (type(message), request, message.number if isinstance(message, TalkPiece | Told) else 0)
        self._waiting[place] = newer(self._waiting.get(place), message)
        if self._retry is None:
            self._flush()

    def close(self) -> None:
        """Try once more to write what waits, and stop."""
        if self._retry is not None:
            self._retry.cancel()
        self._flush()
        if self._retry is not None:
            self._retry.cancel()

    def _frame(self, place: _Place, message: Up) -> bytes:
        """Return a waiting message's frame; one that has none must not stand in the way of all others."""
        try:
            return fit(message)
        except BadMessage:
            del self._waiting[place]
            raise

    def _flush(self) -> None:
        self._retry = None
        try:
            while self._waiting:
                place, message = next(iter(self._waiting.items()))
                os.write(self._fd, self._frame(place, message))
                del self._waiting[place]
        except BlockingIOError:
            self._retry = self._loop.call_later(RETRY, self._flush)
        except BrokenPipeError:
            self._waiting.clear()
            self._gone("the supervisor is gone")


class CommandPipe:
    """The reading end. `gone` is called at its end, or when what comes can't be understood."""

    def __init__(self, fd: int, receive: Callable[[Down], None], gone: Callable[[str], None]) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._receive = receive
        self._gone = gone
        self._splitter = FrameDecoder(MAX_DOWN)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._read)

    def close(self) -> None:
        """Stop reading."""
        self._loop.remove_reader(self._fd)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return
        if not data:
            self._end("the supervisor is gone")
            return
        try:
            for body in self._splitter.feed(data):
                self._receive(decode_down(body))
        except BadMessage as error:
            self._end(f"unreadable command: {error}")

    def _end(self, why: str) -> None:
        self.close()
        self._gone(why)
