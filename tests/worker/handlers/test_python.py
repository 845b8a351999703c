"""A Python function as handler: imported in its own thread, named when it blocks, and mended without a restart."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.shop import FAST, Shop, chat, clean_imports, text_of
from support.station import until
from xyfleet.worker.handlers.base import HandlerFailed, HandlerUnsure, NotCalled
from xyfleet.worker.handlers.failures import TRACE_HEAD, TRACE_TAIL, sentence, shortened
from xyfleet.worker.handlers.loader import Unusable, load
from xyfleet.worker.handlers.python import PythonHandler
from xyfleet.worker.protocol.message import Message
from xyfleet.worker.settings import LogSettings, MailSettings
from xyfleet.worker.telemetry import log_texts
from xyfleet.worker.telemetry.account_log import LibraryLogHandler

pytestmark = pytest.mark.pythons

MESSAGE = Message(account="a0", id="1.PNM", conversation="c1", text="在吗", time="2026-01-01T00:00:00.000Z", attempt=1)
GOOD = "async def answer(message, account):\n    return message.text + account.name\n"


@pytest.fixture(autouse=True)
def _imports(tmp_path: Path) -> Iterator[None]:
    with clean_imports(tmp_path):
        yield


@contextlib.asynccontextmanager
async def handler_of(folder: Path, code: str, **settings: Any) -> AsyncIterator[tuple[PythonHandler, Shop]]:
    """Give a handler without inbox and dispatcher around it."""
    shop = Shop(folder, code, **settings)
    assert isinstance(shop.handler, PythonHandler)
    try:
        yield shop.handler, shop
    finally:
        await shop.handler.close()
        await shop.inbox.close()
        shop.log.close()


async def test_call(tmp_path: Path) -> None:
    """The function is called with message and account, in a thread of its own with a plain asyncio loop."""
    code = """
import asyncio, threading
async def answer(message, account):
    return f"{message.text} {account.name} {account.label} {threading.current_thread().name} " + \\
        type(asyncio.get_running_loop()).__name__
"""
    async with handler_of(tmp_path, code) as (handler, _):
        await handler.ready()

        assert text_of(await handler.call(MESSAGE, 5)) == "在吗 a0 旗舰店 handler _UnixSelectorEventLoop"


async def test_nothing_before_the_start(tmp_path: Path) -> None:
    """A handler that nobody started has no thread, and can't be called."""
    before = threading.active_count()
    async with handler_of(tmp_path, GOOD) as (handler, _):
        assert threading.active_count() == before
        with pytest.raises(NotCalled):
            await handler.call(MESSAGE, 5)
    handler.start()

    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("def answer(:", "SyntaxError: invalid syntax"),
        ("x = 1", "has no attribute 'answer'"),
        ("answer = 7", "answer is no function but int"),
        ("def answer(message, account): return 'x'", "answer is not async: write `async def answer(message, account)`"),
        ("async def answer(message, account): yield 'x'", "answer is not async"),
        ("async def answer(message): return 'x'", "can't be called with (message, account): too many positional"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
async def test_import_error(tmp_path: Path, code: str, words: str) -> None:
    """A function that can't be imported or called is a trouble that names it and says why; messages wait."""
    async with Shop(tmp_path, code) as shop:
        await shop.add(chat("1.PNM"))
        await shop.until(lambda: shop.handler.trouble)
        assert f"handler {shop.module}:answer: " in str(shop.handler.trouble)
        assert words in str(shop.handler.trouble)
        (tmp_path / f"{shop.module}.py").write_text(GOOD + "# mended\n")
        row = (await shop.settled())["1.PNM"]

        assert (row.state, row.message.attempt) == ("done", 1)
        assert shop.handler.trouble is None
        await shop.until(shop.log_file.exists)  # its lines are a thread's job
        await shop.until(lambda: shop.log_file.read_text().count("消息处理程序无法使用") == 1)


async def test_missing_module_and_function(tmp_path: Path) -> None:
    """A module that does not exist, and a name without a function, are told apart."""
    for spec, words in (("nowhere.replies:answer", "No module named 'nowhere'"), ("json", "no function is named")):
        shop = Shop(tmp_path, GOOD)
        settings = MailSettings(handler=spec, handler_path=str(tmp_path))
        handler = PythonHandler(settings, "a0", shop.ports, shop.log, lambda: None, print, FAST)
        handler.start()
        await until(lambda: handler.trouble)  # noqa: B023
        await handler.close()
        await shop.inbox.close()

        assert words in str(handler.trouble)


async def test_mended_helper(tmp_path: Path) -> None:
    """What else of the owner's was imported in a failed attempt is read anew, too."""
    helper = tmp_path / "helper_of_replies.py"
    helper.write_text("x = 1\n")
    code = "from helper_of_replies import WORD\nasync def answer(message, account):\n    return WORD\n"
    async with handler_of(tmp_path, code) as (handler, _):
        handler.start()
        await until(lambda: handler.trouble)
        helper.write_text("WORD = '好的'\n")
        await handler.ready()

        assert text_of(await handler.call(MESSAGE, 5)) == "好的"


async def test_module_from_elsewhere(tmp_path: Path) -> None:
    """A module that is not in the accounts file's folder is read anew, too, and one made meanwhile is found."""
    (tmp_path / "lib").mkdir()
    sys.path.append(str(tmp_path / "lib"))
    before = os.stat(tmp_path / "lib")
    for number, code in enumerate(("", "answer = 7\n", GOOD)):
        if code:
            (tmp_path / "lib" / "from_elsewhere.py").write_text(code)
        os.utime(tmp_path / "lib", ns=(before.st_atime_ns, before.st_mtime_ns))
        try:
            load("from_elsewhere:answer", str(tmp_path))
        except (ImportError, Unusable) as error:
            assert ("No module" in str(error), "no function" in str(error)) == (number == 0, number == 1)  # noqa: PT017
        else:
            assert number == 2


async def test_callable_object(tmp_path: Path) -> None:
    """An object with an async `__call__`, also a nested one, is a function."""
    code = "class Bot:\n    async def __call__(self, message, account):\n        return 'bot'\nanswer = Bot()\n"
    async with handler_of(tmp_path, code) as (handler, _):
        await handler.ready()

        assert text_of(await handler.call(MESSAGE, 5)) == "bot"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise SystemExit(1)", "SystemExit: 1"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise asyncio.CancelledError", "CancelledError"),
        ("raise TimeoutError('of its own')", "TimeoutError: of its own"),
        ("raise Odd", "Odd: its text raises RuntimeError"),
        ("raise KeyError(message.text)", "KeyError: '‹text›'"),
    ],
)
async def test_errors(tmp_path: Path, body: str, reason: str) -> None:
    """Whatever a call raises ends this call only, with one line as the reason."""
    odd = "class Odd(Exception):\n    def __str__(self): raise RuntimeError\n"
    code = f"import asyncio\n{odd}async def answer(message, account):\n    if message.attempt:\n        {body}\n"
    async with handler_of(tmp_path, code) as (handler, _):
        await handler.ready()
        with pytest.raises(HandlerFailed) as caught:
            await handler.call(MESSAGE, 5)

        assert caught.value.reason == reason
        assert "在吗" not in str(caught.value.trace)
        assert "line 6" in str(caught.value.trace)


async def test_exit_in_a_task_of_its_own(tmp_path: Path) -> None:
    """A task that the owner's code left may even exit: the thread goes on, and the log says where it was."""
    code = """
import asyncio, sys
WORDS = "sec" + "ret"
async def leave(): sys.exit(WORDS)
async def fail(): raise OSError(WORDS)
async def answer(message, account):
    asyncio.ensure_future(leave())
    asyncio.ensure_future(fail())
    await asyncio.sleep(0.01)
    return "still here"
"""
    async with handler_of(tmp_path, code) as (handler, shop):
        await handler.ready()
        assert [text_of(await handler.call(MESSAGE, 5)) for _ in range(2)] == ["still here"] * 2
        await until(lambda: "leave" in shop.log_file.read_text())
        await until(lambda: "消息处理程序后台任务出错" in shop.log_file.read_text())

        assert "secret" not in shop.log_file.read_text()


async def test_blocking_is_named(tmp_path: Path) -> None:
    """A function that blocks its thread never blocks the worker; it is named with its place, and again when free."""
    code = """
import threading
GATE = threading.Event()
def deep():
    GATE.wait(10)
async def answer(message, account):
    deep()
    return "free"
"""
    async with handler_of(tmp_path, code) as (handler, shop):
        await handler.ready()
        began = time.monotonic()
        call = asyncio.create_task(handler.call(MESSAGE, 0.1))
        await until(lambda: handler.trouble)
        assert time.monotonic() - began < 5
        assert str(handler.trouble).startswith(f"handler {shop.module}:answer blocks its thread for ")
        assert str(handler.trouble).endswith(f", at {shop.module}.py:5")
        await until(lambda: shop.stuck)
        sys.modules[shop.module].GATE.set()

        assert text_of(await call) == "free"
        await until(lambda: handler.trouble is None)
        assert len(shop.stuck) == 1
        assert "blocks its thread" in str(shop.stuck[0])
        shop.log.close()
        lines = shop.log_file.read_text()
        assert ("消息处理程序阻塞" in lines, "消息处理程序恢复响应" in lines, "in deep" in lines) == (True,) * 3


@pytest.mark.timing
async def test_blocking_does_not_delay(tmp_path: Path) -> None:
    """While a handler sleeps in its thread, or computes, the worker's loop keeps its time."""
    code = """
import time
async def answer(message, account):
    time.sleep(0.2)
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        pass
"""
    async with handler_of(tmp_path, code) as (handler, _):
        await handler.ready()
        call = asyncio.create_task(handler.call(MESSAGE, 5))
        worst = 0.0
        while not call.done():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            worst = max(worst, time.monotonic() - before - 0.01)

        assert worst < 0.1


async def test_long_import_is_named(tmp_path: Path) -> None:
    """An import that takes long is named, but is no reason to end the worker: the next one would take as long."""
    code = "import threading\nthreading.Event().wait(0.7)\n" + GOOD
    async with handler_of(tmp_path, code, handler_timeout=0.05) as (handler, shop):
        handler.start()
        await until(lambda: handler.trouble)
        assert f"hangs in its import at {shop.module}.py:2" in str(handler.trouble)
        await handler.ready()

        assert text_of(await handler.call(MESSAGE, 5)) == "在吗a0"
        await until(lambda: handler.trouble is None)
        assert shop.stuck == []


async def test_sending_more(tmp_path: Path) -> None:
    """`account.send()` puts a further text or image into the outbox, and refuses what can't be sent."""
    code = """
async def answer(message, account):
    said = []
    for talk, text in (("c1", "一"), ("nobody", "二"), ("c1", ""), ("c1", 7), ("c1", "x" * 5000)):
        try:
            await account.send(talk, text)
        except (LookupError, ValueError) as error:
            said.append(f"{type(error).__name__} {error}")
    await account.send("c2", image="a.png")
    await account.send("c2", image="/b.png")
    for wrong in ({"text": "三", "image": "a.png"}, {"image": ""}, {"image": 7}):
        try:
            await account.send("c2", **wrong)
        except ValueError as error:
            said.append(str(error))
    return "; ".join(said)
"""
    async with handler_of(tmp_path, code) as (handler, shop):
        await handler.ready()

        assert text_of(await handler.call(MESSAGE, 5)) == (
            "LookupError nobody is known in conversation nobody: no message of it is in the inbox; "
            "ValueError account.send() got no text, expected a text; "
            "ValueError account.send() got int, expected a text; "
            "ValueError account.send() got a text of 5000 characters; a message has at most 4000; "
            "account.send() got a text and an image: send one, then the other; "
            "account.send() got an image that is no path; account.send() got an image that is no path"
        )
        assert shop.sent == [("c1", "一"), ("nobody", "二"), ("c2", f"{tmp_path}/a.png"), ("c2", "/b.png")]


async def test_logging_from_the_thread(tmp_path: Path) -> None:
    """What the owner's code logs in the handler's thread is in the account's log, whole, while the worker logs too."""
    code = """
import asyncio, logging
async def answer(message, account):
    for number in range(300):
        logging.warning("from the handler %s", number)
        await asyncio.sleep(0)
"""
    async with handler_of(tmp_path, code) as (handler, shop):
        shop.log.apply(LogSettings(dir=str(tmp_path), format="json", max_bytes=10_000, backups=99))
        bridge = LibraryLogHandler(shop.log)
        logging.getLogger().addHandler(bridge)
        try:
            await handler.ready()
            call = asyncio.create_task(handler.call(MESSAGE, 10))
            said = 0
            while not call.done():
                shop.log.say(log_texts.SETTINGS_APPLIED, reason="x" * 100)
                said += 1
                await asyncio.sleep(0.001)  # no more than the log's thread can write
        finally:
            logging.getLogger().removeHandler(bridge)
        assert shop.log.note() is None
        shop.log.close()
        lines = [line for path in tmp_path.glob("a0.log*") for line in path.read_text().splitlines()]  # noqa: ASYNC240
        events = collections.Counter(json.loads(line)["event"].partition(" ")[0] for line in lines)

        assert events["from"] == 300
        assert events["新设置已生效"] == said


async def test_close_ends_everything(tmp_path: Path) -> None:
    """At the end calls are cancelled, the thread is gone, and a call that has not begun is known not to have."""
    code = "import asyncio\nasync def answer(message, account):\n    await asyncio.sleep(60)\n"
    before = threading.active_count()
    async with handler_of(tmp_path, code) as (handler, _):
        await handler.ready()
        on = asyncio.create_task(handler.call(MESSAGE, 60))
        await asyncio.sleep(0.02)
        late = asyncio.create_task(handler.call(MESSAGE, 60))
        await asyncio.sleep(0)
        await handler.close()
        ends = await asyncio.gather(on, late, return_exceptions=True)
        with pytest.raises(NotCalled):
            await handler.call(MESSAGE, 5)

        assert [type(end) for end in ends] in ([HandlerUnsure, NotCalled], [HandlerUnsure, HandlerUnsure])
        assert threading.active_count() == before


def test_sentence() -> None:
    """An error without words is its type alone."""
    assert [sentence(ValueError("x")), sentence(ValueError())] == ["ValueError: x", "ValueError"]


def test_long_tracebacks() -> None:
    """Of a long traceback the beginning and the end are kept."""
    trace = shortened("a" * 5000 + "b" * 50_000 + "c" * 10_000)

    assert trace.startswith("a" * TRACE_HEAD + "\n…\n")
    assert trace.endswith("c" * TRACE_TAIL)
    assert shortened("short") == "short"
