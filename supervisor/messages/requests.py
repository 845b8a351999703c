"""Requests to workers about messages, and what they answer: send a text, try dead letters again. Shell."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from xyfleet.supervisor.common.errors import NotTaken
from xyfleet.supervisor.common.i18n import N_, Text
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.ipc.messages import HandlerRenewed, Redo, Redone, RenewHandler, Send, Sent

FIRST_WORD: Final = 5.0
"""Seconds in which a worker that is well has put a text into its outbox, or said why not; waited for at least."""
REDO_WAIT: Final = 4.0
"""Seconds that a worker may take to give dead letters back to its handler."""
RENEW_WAIT: Final = 20.0
"""Seconds that a worker may take to load its handler anew."""
SETTLED: Final = frozenset({"sent", "rejected", "failed", "unknown", "refused"})
"""States after which nothing more happens."""

NO_ANSWER: Final = "its worker has not said whether it has the text; it may still be sent"
ENDED: Final = "its worker ended meanwhile; the next one sends what was not yet on its way"


class _Request:
    """One request, and what was heard of it."""

    def __init__(self, number: int, child: WorkerProcess) -> None:
        self.number = number
        self.child = child
        self.sent: Sent | None = None
        self.redone: Redone | None = None
        self.renewed: HandlerRenewed | None = None
        self.gone = False
        self.answered = asyncio.Event()
        """Set by the first answer, or by the worker's end."""
        self.settled = asyncio.Event()
        """Set by the last one, or by the worker's end."""

    def hear(self, answer: Sent | Redone | HandlerRenewed) -> None:
        if isinstance(answer, Redone):
            self.redone = answer
        elif isinstance(answer, HandlerRenewed):
            self.renewed = answer
        else:
            self.sent = answer
        self.answered.set()
        if not isinstance(answer, Sent) or answer.state in SETTLED:
            self.settled.set()

    def end(self) -> None:
        self.gone = True
        self.answered.set()
        self.settled.set()


class MessageRequests:
    """Numbers the requests and finds out whose answer it is. Everything runs in the supervisor's loop."""

    def __init__(self, first_word: float = FIRST_WORD, redo_wait: float = REDO_WAIT) -> None:
        self._first_word = first_word
        self._redo_wait = redo_wait
        self._last = 0
        self._open: dict[int, _Request] = {}

    async def send(self, child: WorkerProcess, letter: SendRequest, wait: float, inbox: Path) -> Delivery:
        """
        Have a text sent, and return what is known of it when it is settled, or after `wait` seconds.

        Whether it is in the outbox for good is waited for in any case, some seconds. `inbox` is the account's file:
        of a worker that ends before it answers, it alone knows whether the text was taken.

        Raises:
            NotTaken: it is certain that this text will not be sent.
        """
        began = time.time()
        with self._request(child) as request:
            message = Send(
                request=request.number,
                conversation=letter.conversation,
                text=letter.text,
                image=letter.image,
                receiver=letter.receiver,
            )
            if not child.send(message):
                raise _not_taken(N_("nothing was sent: the worker of %(name)s does not read its commands"), letter)
            await _in_time(request.settled.wait(), wait)
            await _in_time(request.answered.wait(), self._first_word - wait)
        if request.sent is None and request.gone:
            return await _look(letter, inbox, began)
        return _delivery(request, letter)

    async def redo(self, child: WorkerProcess, ids: list[str]) -> int | None:
        """Give dead letters (none named: all) back to the handler; return how many, None if nobody knows."""
        with self._request(child) as request:
            if not child.send(Redo(request=request.number, ids=ids)):
                return None
            await _in_time(request.answered.wait(), self._redo_wait)
        return None if request.redone is None else request.redone.count

    async def renew(self, child: WorkerProcess, *, only_look: bool = False) -> HandlerRenewed | None:
        """Have a handler loaded anew if its files changed, or looked at; return what came of it, None if unknown."""
        with self._request(child) as request:
            if not child.send(RenewHandler(request=request.number, only_look=only_look)):
                return None
            await _in_time(request.answered.wait(), RENEW_WAIT)
        return request.renewed

    def heard(self, child: WorkerProcess, answer: Sent | Redone | HandlerRenewed) -> None:
        """A worker answered. What nobody waits for any more is dropped."""
        request = self._open.get(answer.request)
        if request is not None and request.child is child:
            request.hear(answer)

    def gone(self, child: WorkerProcess) -> None:
        """A worker is proven gone: it answers nothing more."""
        for request in list(self._open.values()):
            if request.child is child:
                request.end()

    @contextlib.contextmanager
    def _request(self, child: WorkerProcess) -> Iterator[_Request]:
        self._last += 1
        request = self._open[self._last] = _Request(self._last, child)
        try:
            yield request
        finally:
            del self._open[request.number]


async def _in_time(event: Awaitable[object], seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event


def _delivery(request: _Request, letter: SendRequest) -> Delivery:
    """Return what was heard of a text."""
    last = request.sent
    if last is None:
        return Delivery(state="unknown", reason=NO_ANSWER)
    if last.state == "refused":
        raise _not_taken(N_("nothing was sent: %(why)s"), letter, why=last.reason or "")
    if request.gone and last.state not in SETTLED:
        return Delivery(state="unknown", number=last.number, reason=ENDED)
    return Delivery(state=last.state, number=last.number, message_id=last.message_id, reason=last.reason)


async def _look(letter: SendRequest, inbox: Path, began: float) -> Delivery:
    """Find out whether a worker took a text before it ended without a word."""
    try:
        number = await asyncio.to_thread(_taken, letter, inbox, int(began * 1000))
    except (sqlite3.Error, OSError):
        return Delivery(state="unknown", reason=NO_ANSWER)
    if number is None:
        raise _not_taken(N_("nothing was sent: the worker of %(name)s ended meanwhile; try again"), letter)
    return Delivery(state="unknown", number=number, reason=ENDED)


def _taken(letter: SendRequest, inbox: Path, since: int) -> int | None:
    """Return the number of such a text in the outbox, put there since a time in ms; None if there is none."""
    if not inbox.exists():
        return None
    said = "text" if letter.image is None else "image"
    question = f"SELECT max(number) FROM outbox WHERE conversation = ? AND {said} = ? AND created >= ?"
    with contextlib.closing(sqlite3.connect(f"{inbox.as_uri()}?mode=ro", uri=True, timeout=5.0)) as found:
        row = found.execute(question, (letter.conversation, letter.image or letter.text, since)).fetchone()
    return None if row[0] is None else int(row[0])


def _not_taken(template: str, letter: SendRequest, **values: object) -> NotTaken:
    return NotTaken(Text(template, {"name": letter.account, **values}))


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a text that was given to be sent."""

    state: str
    """`queued`, `sending`, or settled: `sent`, `rejected`, `failed`, `unknown` (docs/api.md)."""
    number: int | None = None
    """Its number in the account's outbox."""
    message_id: str | None = None
    """The server's id, once it is sent."""
    reason: str | None = None


class SendRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A text to be sent."""

    account: str
    conversation: str
    text: str
    receiver: str | None = None
    """User id; None = whoever wrote last in that conversation."""
    image: str | None = None
    """Path of an image to be sent instead of the text."""
