"""The supervisor's part of the webhooks: a process that is there when it is needed, and only then."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from support.receiver import SECRET, Receiver
from support.webhooks import SAID, asker, hook
from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.webhooks.process_manager import TOPIC, RestartPace, WebhookProcessManager, pause
from xyfleet.worker.handlers.base import CheckedAnswer, HandlerUnsure, Reply
from xyfleet.worker.handlers.webhook import Limits, WebhookHandler
from xyfleet.worker.protocol.message import Message

QUICK = RestartPace(first=0.05, stop=0.3, look=0.05)
KEY = SECRET


@pytest.fixture
def path() -> Iterator[Path]:
    """Name a socket in a folder with a short name."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "webhook.sock"


@asynccontextmanager
async def kept(keeper: WebhookProcessManager) -> AsyncIterator[WebhookProcessManager]:
    """Let it run for a block."""
    job = asyncio.create_task(keeper.run())
    try:
        yield keeper
    finally:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        await keeper.close()


async def until(holds: Callable[[], object], within: float = 15.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 (it is the outer world that changes)
            await asyncio.sleep(0.01)


def test_pause() -> None:
    """The first restart comes at once, then 1, 2, 4 … 60 s."""
    assert [pause(deaths, RestartPace()) for deaths in range(1, 6)] == [0, 1, 2, 4, 8]
    assert pause(1000, RestartPace()) == 60


async def test_only_when_needed(path: Path) -> None:
    """Without a webhook there is no process; the first one starts it; the end is polite and leaves no socket."""
    notes: dict[str, Text] = {}
    async with Receiver() as receiver, kept(WebhookProcessManager(path, "test", notes, QUICK)) as keeper:
        keeper.apply({})
        await asyncio.sleep(0.05)
        assert keeper.pid is None
        keeper.apply({"a0": hook(f"{receiver.url}/reply")})
        await until(path.exists)
        pid = keeper.pid
        async with asker(path) as worker:
            assert await worker.ask("a0") == {"replies": [SAID]}
            keeper.apply({"a0": hook(f"{receiver.url}/none")})
            await until(lambda: keeper.pid == pid)
            assert "replies" in await worker.ask("a0")

    assert (keeper.pid, os.listdir(path.parent), notes) == (None, [], {})


async def test_killed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A killed process is started again, with the table; a worker's calls under way have an unknown end."""
    notes: dict[str, Text] = {}
    message = Message(account="a0", id="1.PNM", kind="text", text="在吗？", time="2026-01-01T00:00:00.000Z")
    async with Receiver() as receiver, kept(WebhookProcessManager(path, "test", notes, QUICK)) as keeper:
        keeper.apply({"a0": hook(f"{receiver.url}/wait", KEY)})
        await until(path.exists)
        first = keeper.pid
        assert first is not None
        worker = WebhookHandler(str(path), ("test", "a0"), lambda: None, Limits(first_delay=0.02))
        await worker.ready()
        call = asyncio.create_task(worker.call(message, 10))
        await receiver.called(1)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(HandlerUnsure):
            await call
        await until(lambda: TOPIC in notes)
        assert "SIGKILL" in notes[TOPIC].say("en")
        await until(lambda: not notes)
        assert keeper.pid not in (None, first)
        receiver.go.set()
        await worker.ready()
        assert await worker.call(message, 10) == CheckedAnswer((Reply("在的"),))
        await worker.close()

        assert receiver.calls[1].signed
        assert msgspec.json.decode(receiver.calls[1].body, type=Message) == message
    assert "SIGKILL; it is started again after 0 s" in caplog.text
    assert KEY not in caplog.text


async def test_dies_at_each_start(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A process that can't do its work is tried again, each time later; its last words are told, none are lost."""
    notes: dict[str, Text] = {}
    path.parent.rmdir()
    try:
        async with kept(WebhookProcessManager(path, "test", notes, QUICK)) as keeper:
            keeper.apply({"a0": hook("http://127.0.0.1:1/", KEY)})
            await until(lambda: TOPIC in notes and notes[TOPIC].values["wait"])
            said = notes[TOPIC].say("en")
            path.parent.mkdir()
            await until(lambda: not notes)
    finally:
        path.parent.mkdir(exist_ok=True)

    assert "exit code 1 (FileNotFoundError: [Errno 2] No such file or directory)" in said
    assert "started again after 0.05 s" in said
    assert "webhooks: Traceback (most recent call last):" in caplog.text
    assert KEY not in caplog.text


async def test_cannot_be_started(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps it from being started is told."""
    notes: dict[str, Text] = {}
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    async with kept(WebhookProcessManager(path, "test", notes, QUICK)) as keeper:
        keeper.apply({"a0": hook("http://127.0.0.1:1/")})
        await until(lambda: TOPIC in notes)

    assert "it can't be started: No such file or directory" in notes[TOPIC].say("en")


async def test_never_ready(path: Path) -> None:
    """A process that does not get ready in time is killed."""
    notes: dict[str, Text] = {}
    async with kept(WebhookProcessManager(path, "test", notes, QUICK._replace(start=0.01))) as keeper:
        keeper.apply({"a0": hook("http://127.0.0.1:1/")})
        await until(lambda: TOPIC in notes)

    assert "not ready within 0.01 s" in notes[TOPIC].say("en")
    assert keeper.pid is None


async def test_frozen_at_the_end(path: Path) -> None:
    """A process that does not end politely is killed."""
    async with kept(WebhookProcessManager(path, "test", {}, QUICK)) as keeper:
        keeper.apply({"a0": hook("http://127.0.0.1:1/")})
        await until(path.exists)
        process = psutil.Process(keeper.pid)
        process.suspend()

    assert not process.is_running()
    assert os.listdir(path.parent) == []


async def test_socket_removed(path: Path) -> None:
    """A socket that somebody removed is there again soon; calls under way go on."""
    async with Receiver() as receiver, kept(WebhookProcessManager(path, "test", {}, QUICK)) as keeper:
        keeper.apply({"a0": hook(f"{receiver.url}/wait"), "a1": hook(f"{receiver.url}/reply")})
        await until(path.exists)
        async with asker(path) as worker:
            number = worker.put("a0")
            await receiver.called(1)
            os.unlink(path)
            await until(path.exists)
            async with asker(path) as other:
                assert await other.ask("a1") == {"replies": [SAID]}
            receiver.go.set()
            assert await worker.take() == {"number": number, "replies": [SAID]}
