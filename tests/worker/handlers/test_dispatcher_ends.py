"""What becomes of calls that end without an answer: stops, crashes, and ends that nobody knows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from support.places import TESTS
from support.post import Post
from support.shop import ECHO, GATED, Shop, chat, clean_imports
from xyfleet.worker.handlers.webhook import Limits, WebhookHandler
from xyfleet.worker.storage.operations import Begin, Recover

pytestmark = pytest.mark.pythons
QUICK = Limits(idle=0.1, grace=0.05, first_delay=0.01, longest_delay=0.05)


@pytest.fixture(autouse=True)
def _imports(tmp_path: Path) -> Iterator[None]:
    with clean_imports(tmp_path):
        yield


# Stops and crashes.


async def test_stop_lets_calls_end(tmp_path: Path) -> None:
    """A call that is on when the worker stops may end by itself, and its reply is kept; nothing new begins."""
    code = """
import asyncio
SEEN = []
async def answer(message, account):
    SEEN.append(message.id)
    await asyncio.sleep(0.05)
    return "done"
"""
    async with Shop(tmp_path, code) as shop:
        await shop.add(chat("1.PNM"), chat("2.PNM"))
        await shop.until(lambda: len(shop.seen) == 1)
        await shop.stop()

        assert await shop.states() == {"1.PNM": "done", "2.PNM": "waiting"}
        assert len(await shop.outbox()) == 1


@pytest.mark.parametrize(("on_unknown", "state"), [("park", "parked"), ("retry", "waiting")])
async def test_stop_cancels_calls(tmp_path: Path, on_unknown: Literal["park", "retry"], state: str) -> None:
    """A call that does not end is cancelled; how far it came nobody knows, as after a crash."""
    async with Shop(tmp_path, GATED, on_unknown=on_unknown) as shop:
        await shop.add(chat("1.PNM"))
        await shop.until(lambda: len(shop.seen) == 1)
        await shop.stop()
        row = (await shop.rows())["1.PNM"]

        assert (row.state, row.message.attempt) == (state, 1)


CRASH = """
import asyncio, os, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from typing import Literal
from support.post import Post
from support.shop import Shop, chat

async def main():
    shop = Shop(Path({folder!r}), "import os, signal\\n"
        "async def answer(message, account): os.kill(os.getpid(), signal.SIGKILL)")
    async with shop:
        await shop.add(chat("1.PNM"), chat("2.PNM"))
        await shop.settled()

asyncio.run(main())
"""


def crash(folder: Path) -> int:
    """Run a worker's part whose handler kills the process; return its exit code."""
    code = CRASH.format(tests=str(TESTS), folder=str(folder))
    return subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode


async def test_crash_in_a_call(tmp_path: Path) -> None:
    """After a crash in the middle of a call the message is parked, and not handed over again."""
    (tmp_path / "first").mkdir()
    assert crash(tmp_path / "first") == -signal.SIGKILL
    os.rename(tmp_path / "first" / "inbox", tmp_path / "inbox")
    async with Shop(tmp_path, ECHO) as shop:
        rows = await shop.settled()

        assert (rows["1.PNM"].state, rows["2.PNM"].state) == ("parked", "done")
        assert "in the middle of the call" in str(rows["1.PNM"].reason)
        assert shop.seen == [("2.PNM", 1)]


async def test_crash_and_retry(tmp_path: Path) -> None:
    """With `on_unknown: retry` it is handed over again, as a further attempt."""
    (tmp_path / "first").mkdir()
    assert crash(tmp_path / "first") == -signal.SIGKILL
    os.rename(tmp_path / "first" / "inbox", tmp_path / "inbox")
    async with Shop(tmp_path, ECHO, on_unknown="retry") as shop:
        rows = await shop.settled()

        assert {row.state for row in rows.values()} == {"done"}
        assert shop.seen == [("1.PNM", 2), ("2.PNM", 1)]


async def test_message_that_always_crashes(tmp_path: Path) -> None:
    """A message in whose every call the process ends is a dead letter after the last attempt, `retry` or not."""
    shop = Shop(tmp_path, ECHO, on_unknown="retry", handler_retries=1)
    await shop.add(chat("1.PNM"), tell=False)
    for calls in range(2):
        await shop.inbox.do(Begin(1, calls))
        await shop.inbox.do(Recover("retry"))  # what opening the inbox does after a crash
    async with shop:
        row = (await shop.settled())["1.PNM"]

        assert (row.state, row.reason) == ("failed", "xyfleet ended in the middle of call 2, the last one")
        assert shop.seen == []


async def test_blocked_thread_at_the_stop(tmp_path: Path) -> None:
    """A call that blocks its thread when the worker stops is left as it is: its end is not known."""
    code = """
import threading
SEEN, GATE = [], threading.Event()
async def answer(message, account):
    SEEN.append(message.id)
    GATE.wait(10)
"""
    async with Shop(tmp_path, code) as shop:
        await shop.add(chat("1.PNM"))
        await shop.until(lambda: shop.seen)
        await shop.stop()

        assert (await shop.states())["1.PNM"] == "calling"
        sys.modules[shop.module].GATE.set()
        await shop.handler.close()


# Calls that may end without anybody knowing how.


async def test_unsure_is_parked(tmp_path: Path) -> None:
    """When nobody knows how far a call came, the message is parked at once."""
    async with Post(tmp_path / "s") as post:
        post.answers = [None]
        async with Shop(tmp_path, handler=WebhookHandler(str(post.path), ("test", "a0"), lambda: None)) as shop:
            await shop.add(chat("1.PNM"), chat("2.PNM"))
            rows = await shop.settled()

            assert (rows["1.PNM"].state, rows["2.PNM"].state) == ("parked", "done")
            assert "lost during the call" in str(rows["1.PNM"].reason)
            assert [request["message"]["id"] for request in post.requests] == ["1.PNM", "2.PNM"]


async def test_unsure_is_retried(tmp_path: Path) -> None:
    """With `on_unknown: retry` it is called again, with the next attempt."""
    async with Post(tmp_path / "s") as post:
        post.answers = [None]
        handler = WebhookHandler(str(post.path), ("test", "a0"), lambda: None)
        async with Shop(tmp_path, handler=handler, on_unknown="retry") as shop:
            await shop.add(chat("1.PNM"))

            assert (await shop.settled())["1.PNM"].state == "done"
            assert [request["message"]["attempt"] for request in post.requests] == [1, 2]


async def test_refused_calls_do_not_count(tmp_path: Path) -> None:
    """A call that was not made at all is made later, and no attempt is lost by it."""
    async with Post(tmp_path / "s") as post:
        post.answers = [{"refused": {"code": "webhook_unset", "fields": {"name": "a0"}}}] * 3
        handler = WebhookHandler(str(post.path), ("test", "a0"), lambda: None, QUICK)
        async with Shop(tmp_path, handler=handler, handler_retries=0) as shop:
            await shop.add(chat("1.PNM"))
            row = (await shop.settled())["1.PNM"]

            assert (row.state, row.message.attempt) == ("done", 1)
            assert [request["message"]["attempt"] for request in post.requests] == [1, 1, 1, 1]
