"""What a Python handler gets beside the message: its account, and a way to send more. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from xyfleet.worker.handlers.base import HandlerFailed, Reply, checked, with_images_from
from xyfleet.worker.ipc.messages import Answered, Ask
from xyfleet.worker.ipc.talks import MOST_LISTED, ReadHistory, TalkAnswer, TalkQuestion
from xyfleet.worker.protocol.message import Message
from xyfleet.worker.protocol.shop import Item, Order, Shipped
from xyfleet.worker.reasons import ASK_LATER

__all__ = ["Account", "AskFailed", "Reply"]

_T = TypeVar("_T")

Send = Callable[[str, str, str | None], Coroutine[Any, Any, bool]]
"""Puts a text, or the image of a path, for a conversation into the outbox; returns whether somebody is known there to
send it to."""

Question = Callable[[Ask], Coroutine[Any, Any, Answered]]
"""Asks the platform through the supervisor."""

Talk = Callable[[TalkQuestion], Coroutine[Any, Any, TalkAnswer]]
"""Asks the platform about a conversation, over the account's connection."""


Alert = Callable[[str], None]
"""Makes an event of a text."""


class HandlerPorts(NamedTuple):
    """What a handler may have done. All of it runs in the worker's loop."""

    send: Send
    ask: Question
    talk: Talk
    alert: Alert


_UNTOLD: Final = {
    "rejected": ("refused", "the platform says no: %s"),
    "offline": ("offline", "the account is not connected, or its connection ended"),
    "busy": ("busy", "the platform asks to wait: %s"),
    "late": ("late", "the platform did not answer in time"),
    "crowded": ("busy", "too many questions about conversations wait already"),
}
"""Why there is no history: a code and words, by the state of the answer."""
_PREFIX: Final = "ask_"


class Progress:
    """What a call of the handler has done so far, its own tasks included."""

    def __init__(self) -> None:
        self.waited = float("-inf")
        """When it was last cut off while it waited for an answer of the platform's, by its loop's clock."""
        self.has_sent = False
        """Whether it has sent a message by itself: a further call may send it again."""


PROGRESS: Final[ContextVar[Progress]] = ContextVar("PROGRESS")
"""That of the call that is on in this task."""


class AskFailed(Exception):
    """
    There is no answer; `str()` says why.

    Args:
        code: Why, for programs: `refused`, `risk`, `outage`, … (docs/handlers.md).
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.later = f"{_PREFIX}{code}" in ASK_LATER
        """Whether it may be asked again later: nothing was done."""


class Account:
    """What a handler gets beside the message."""

    def __init__(self, name: str, label: str, ports: HandlerPorts, folder: str) -> None:
        self.name = name
        """Its name in the accounts file."""
        self.label = label
        self._ports = ports
        self._folder = folder
        self._loop = asyncio.get_running_loop()

    def alert(self, text: str) -> None:
        """
        Tell a person something: an event, one line of 200 characters at most; no text of a buyer, please.

        The same words are told once an hour, and 20 alerts in all.
        """
        self._loop.call_soon_threadsafe(self._ports.alert, str(text))

    async def send(self, conversation: str, text: str | None = None, *, image: str | None = None) -> None:
        """
        Send a further message; returns when it is in the outbox for good, that is before it is sent.

        Args:
            text: What to say; None with an image.
            image: Path of a JPEG, PNG or WebP of at most 10 MiB to be sent instead; from the accounts file's folder
                where it is not absolute.

        Raises:
            ValueError: it can't be sent: the text is too long, or there are text and image, for example.
            LookupError: no message of this conversation has come in yet, so that nobody is known there.
        """
        if text is not None and image is not None:
            raise ValueError("account.send() got a text and an image: send one, then the other")
        if image is None and not (isinstance(text, str) and text.strip()):
            given = "no text" if text is None or isinstance(text, str) else type(text).__name__
            raise ValueError(f"account.send() got {given}, expected a text")
        try:
            fit = with_images_from(self._folder, checked(Reply(text, image)))
        except HandlerFailed as error:
            raise ValueError(error.reason.replace("returned", "account.send() got")) from None
        assert fit is not None, "there is something to send"
        words, path = fit.replies[0].text or "", fit.replies[0].image
        taken = asyncio.run_coroutine_threadsafe(self._ports.send(conversation, words, path), self._loop)
        _progress().has_sent = True
        if not await asyncio.wrap_future(taken):
            raise LookupError(f"nobody is known in conversation {conversation}: no message of it is in the inbox")

    async def history(self, conversation: str, limit: int = 20) -> list[Message]:
        """
        Return the newest messages of a conversation as the platform has them now, oldest first, without `raw`.

        Raises:
            ValueError: it is no conversation's id, or the limit is not from 1 to 200.
            AskFailed: there is no answer; with the code `offline`, `busy`, `late`, `refused` or `fault`.
        """
        if not isinstance(conversation, str) or not conversation.isprintable() or not 0 < len(conversation) <= 128:
            raise ValueError("account.history() got no conversation's id")
        if not isinstance(limit, int) or not 0 < limit <= MOST_LISTED:
            raise ValueError(f"account.history() got no limit from 1 to {MOST_LISTED}")
        asked = self._ports.talk(ReadHistory(conversation, int(limit)))
        answer = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked, self._loop))
        if answer.state != "done":
            code, words = _UNTOLD.get(answer.state, ("fault", "nothing was found out: %s"))
            raise AskFailed(code, words.replace("%s", answer.reason or "-"))
        return answer.messages

    async def item(self, id: str) -> Item:
        """Return an item of the platform's by its id; kept for 10 minutes. Raises `AskFailed`."""
        return await self._answer(Ask(request=0, what="item", id=_id(id)), Item)

    async def order(self, id: str) -> Order:
        """Return an order of this account's by its id, as it is now. Raises `AskFailed`."""
        return await self._answer(Ask(request=0, what="order", id=_id(id)), Order)

    async def ship(self, order: str, *, again: bool = False, later: bool = False) -> Shipped:
        """
        Mark an order as shipped without postage; return when it is, at once where it was so before.

        Args:
            again: Also where nobody knows what came of it before: look into the app first.
            later: Return as soon as it is on disk that this is wanted. It is done when it may be, within a day; what
                can't be done is an event. Not together with `again`.

        Raises:
            AskFailed: it was not done; with the code `unknown` nobody knows, and it is not tried again by itself.
        """
        return await self._answer(Ask(request=0, what="ship", id=_id(order), again=again, later=later), Shipped)

    async def call(self, api: str, version: str, data: dict[str, Any]) -> Any:
        """
        Call an API of the platform that is named under `apis`; return the `data` of its answer.

        Made once: it may change something. Raises `AskFailed`; after `network` or `late` nobody knows what it did.
        """
        try:
            text = msgspec.json.encode(data).decode()
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise AskFailed("bad", f"the data is no JSON: {type(error).__name__}") from None
        return (await self._asked(Ask(request=0, what="call", api=str(api), version=str(version), data=text))).value

    async def _answer(self, question: Ask, kind: type[_T]) -> _T:
        return msgspec.convert((await self._asked(question)).value, kind)

    async def _asked(self, question: Ask) -> Answered:
        asked = asyncio.run_coroutine_threadsafe(self._ports.ask(question), self._loop)
        try:
            answer = await asyncio.wrap_future(asked)
        except asyncio.CancelledError:
            if question.what != "call":
                _progress().waited = asyncio.get_running_loop().time()
            raise
        if answer.reason is not None:
            failed = AskFailed(answer.reason.code.removeprefix(_PREFIX), str(answer.reason))
            failed.later = failed.later and question.what != "call"  # nobody knows what a free call did
            raise failed
        return answer


def _progress() -> Progress:
    return PROGRESS.get(Progress())


def _id(value: object) -> str:
    """Return an id as text; a whole number is taken too, and anything else is no id."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""
