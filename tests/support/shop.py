"""An account's inbox, a handler in a file of its own, and the dispatcher between them, all real."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.jobs import Job
from support.station import until
from xyfleet.worker.handlers.api import HandlerPorts
from xyfleet.worker.handlers.base import CheckedAnswer, Handler, HandOver
from xyfleet.worker.handlers.dispatcher import Dispatcher
from xyfleet.worker.handlers.python import PythonHandler
from xyfleet.worker.handlers.thread_watch import Limits
from xyfleet.worker.ipc.messages import Answered, Ask
from xyfleet.worker.ipc.talks import TalkAnswer, TalkQuestion
from xyfleet.worker.protocol.incoming import IncomingItem
from xyfleet.worker.reasons import Reason
from xyfleet.worker.settings import LogSettings, MailSettings
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.message_store import MessageStore
from xyfleet.worker.storage.operations import Add
from xyfleet.worker.storage.results import HandlerRules
from xyfleet.worker.storage.schema import Row
from xyfleet.worker.telemetry.account_log import AccountLog

RULES = HandlerRules(handler=True, max_age=0, takeover=600_000)
FAST = Limits(look=0.02, grace=0.05, late=0.1, hang=0.2, retry=0.05, end=0.15, files=0.1)
ECHO = """
SEEN = []
async def answer(message, account):
    SEEN.append((message.id, message.attempt))
    return f"{account.name} {account.label}: {message.text}"
"""
SLOW = """
import asyncio
SEEN, on, most = [], set(), 0
async def answer(message, account):
    global most
    assert message.conversation not in on
    on.add(message.conversation)
    most = max(most, len(on))
    SEEN.append(message.id)
    await asyncio.sleep(0.01)
    on.discard(message.conversation)
"""
RAISES = """
SEEN = []
async def answer(message, account):
    SEEN.append((message.id, message.attempt))
    raise ValueError("can't make sense of " + message.text)
"""
GATED = """
import asyncio
SEEN, OPEN = [], []
async def answer(message, account):
    SEEN.append((message.id, message.attempt))
    while not OPEN:
        await asyncio.sleep(0.005)
    return "done"
"""
_numbers = itertools.count(1)


@contextlib.contextmanager
def clean_imports(folder: Path) -> Iterator[None]:
    """Forget afterwards what was imported from a folder."""
    yield
    while str(folder) in sys.path:
        sys.path.remove(str(folder))
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(folder)):
            del sys.modules[name]


def write_handler(folder: Path, code: str) -> str:
    """Write a module of a name that no other test has; return `module:answer`."""
    name = f"replies{next(_numbers)}"
    (folder / f"{name}.py").write_text(code)
    return f"{name}:answer"


def chat(
    id_: str, talk: str | None = "c1", text: str = "在吗", *, time_ms: int | None = None, own: bool = False
) -> IncomingItem:
    """Return a chat message."""
    return IncomingItem(
        id=id_,
        conversation=talk,
        item=None,
        sender="me" if own else "buyer",
        sender_name="买家",
        kind="text",
        text=text,
        time=time_ms,
        own=own,
        raw={},
    )


class Shop:
    """
    Use as an asynchronous context manager: inside, the dispatcher runs.

    Args:
        handler: Instead of a Python handler made of `code`.
    """

    def __init__(self, folder: Path, code: str = "", handler: Handler | None = None, **settings: Any) -> None:
        fit = {"handler_retry_delay": 0.02, "handler_timeout": 5.0, "reply_max_age": 0.0, "reply_limit": 0, **settings}
        spec = write_handler(folder, code) if handler is None else None
        self.settings = MailSettings(
            file=str(folder / "inbox" / "a0.db"), handler=spec, handler_path=str(folder), label="旗舰店", **fit
        )
        self.module = "" if spec is None else spec.partition(":")[0]
        self.log_file = folder / "a0.log"
        self.log = AccountLog("a0", LogSettings(dir=str(folder), format="json"))
        self.sent: list[tuple[str, str]] = []
        self.asked: list[Ask] = []
        """What the handler asked of the platform."""
        self.answer = Answered(request=0)
        """The answer to all of it."""
        self.silent = 0
        """So many questions are not answered."""
        self.talked: list[TalkQuestion] = []
        """What it asked about conversations."""
        self.told = TalkAnswer(state="done")
        """The answer to all of that."""
        self.alerts: list[str] = []
        """What it has told a person."""
        self.ports = HandlerPorts(self._send, self._ask, self._talk, self.alerts.append)
        self.handed: list[tuple[str, HandOver]] = []
        """Conversations that the handler has given to a person."""
        self.stuck: list[Reason] = []
        self.changes = 0
        self.replies = 0
        self.rules = RULES
        self.inbox = AsyncStore(self.settings, "a0", lambda: None)
        self.handler = handler or self.python()
        self.dispatcher = Dispatcher(
            self.inbox,
            self.handler,
            self.settings,
            self.log,
            self._changed,
            self._replied,
            patience=0.15,
            handed_over=lambda talk, hand_over: self.handed.append((talk, hand_over)),
            alert=self.alerts.append,
        )
        self.running: asyncio.Task[None] | None = None

    def python(self, limits: Limits = FAST) -> PythonHandler:
        """Return a handler of the settings' function."""
        return PythonHandler(self.settings, "a0", self.ports, self.log, self._changed, self.stuck.append, limits)

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        await self.inbox.close()
        self.log.close()

    async def _ask(self, question: Ask) -> Answered:
        self.asked.append(question)
        if self.silent:
            self.silent -= 1
            await asyncio.sleep(60)
        return self.answer

    async def _talk(self, question: TalkQuestion) -> TalkAnswer:
        self.talked.append(question)
        return self.told

    def start(self) -> None:
        """Let the dispatcher run."""
        self.running = asyncio.create_task(self.dispatcher.run())

    async def stop(self) -> None:
        """Stop it as the worker does."""
        assert self.running is not None
        self.running.cancel()
        await asyncio.wait((self.running,))
        await self.handler.close()
        assert self.running.cancelled()

    @property
    def seen(self) -> list[Any]:
        """What the handler's module has noted in its list `SEEN`."""
        found: list[Any] = getattr(sys.modules.get(self.module), "SEEN", [])
        return found

    async def add(self, *messages: IncomingItem, tell: bool = True) -> list[Row]:
        """Take messages in."""
        added = await self.inbox.do(Add(list(messages), False, self.rules))
        if tell:
            self.dispatcher.added(added.rows)
        return added.rows

    async def rows(self) -> dict[str, Row]:
        """Return all messages by id."""
        found = await self.inbox.do(Job(lambda store: [store.row(row) for row in range(1, store.last_row() + 1)]))
        return {row.message.id: row for row in found if row is not None}

    async def states(self) -> dict[str, str]:
        """Return the states of all messages by id."""
        return {id_: row.state for id_, row in (await self.rows()).items()}

    async def outbox(self) -> list[tuple[str, str, str | None]]:
        """Return conversation, text, and id of the answered message of all that is in the outbox."""

        def read(store: MessageStore) -> list[tuple[str, str, str | None]]:
            letters = [store.letter(number) for number in range(1, store.last_number() + 1)]
            return [(each.conversation, each.text, each.reply_to) for each in letters if each is not None]

        return await self.inbox.do(Job(read))

    async def settled(self, timeout: float = 10.0) -> dict[str, Row]:
        """Wait until no message waits or is being handled; return all."""
        end = time.monotonic() + timeout
        while any(row.state in ("waiting", "calling") for row in (await self.rows()).values()):
            assert time.monotonic() < end, "some messages are still waiting"
            await asyncio.sleep(0.005)
        return await self.rows()

    async def until(self, true: Callable[[], object]) -> None:
        """Wait until something holds."""
        await until(true)

    async def _send(self, conversation: str, text: str, image: str | None) -> bool:
        self.sent.append((conversation, image or text))
        return conversation != "nobody"

    def _changed(self) -> None:
        self.changes += 1

    def _replied(self) -> None:
        self.replies += 1


def open_gate(shop: Shop) -> None:
    """Let the calls of a `GATED` handler end."""
    sys.modules[shop.module].OPEN.append(True)


def text_of(answer: CheckedAnswer | None) -> str | None:
    """Return the text of an answer that is one text, None of none."""
    if answer is None:
        return None
    (reply,) = answer.replies
    assert (reply.image, reply.after, answer.hand_over) == (None, 0, None)
    return reply.text
