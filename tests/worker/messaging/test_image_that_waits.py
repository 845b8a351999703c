"""An image that can't be uploaded now holds up its own conversation, and no other's letters."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from xyfleet.worker.ipc.messages import Uploaded
from xyfleet.worker.messaging import image_letters
from xyfleet.worker.messaging.sender import OutboxSender
from xyfleet.worker.protocol.frames import Response
from xyfleet.worker.settings import LogSettings, MailSettings
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.operations import Letters
from xyfleet.worker.telemetry.account_log import AccountLog


class Silent:
    """A connection on which whatever is sent gets no answer."""

    began = 0

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def ask(self, lwp: str, body: object) -> Response:
        """Wait for ever."""
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_another_conversations_letter_goes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The login is dead and the connection lives on: a card key must not wait a minute and a half behind each image."""
    monkeypatch.setattr(image_letters, "RETRIES", (30.0,))
    tries: list[str] = []

    async def upload(path: str) -> Uploaded:
        tries.append(path)
        return Uploaded(request=1, reason="the account's login is not well", later=True)

    settings = MailSettings(file=str(tmp_path / "inbox" / "a.db"), send_rate=0)
    inbox, line = AsyncStore(settings, "a", lambda: None), Silent()
    log = AccountLog("a", LogSettings(dir=str(tmp_path), format="json"))
    sender = OutboxSender(inbox, settings, "22", log, lambda: None, upload=upload)
    await sender.queue("5", "", "33", image="/p/1.jpg")
    await sender.queue("5", "behind it", "33")
    await sender.queue("6", "the key", "44")
    running = asyncio.create_task(sender.run())
    try:
        sender.connected(line)
        async with asyncio.timeout(2):
            await line.asked.wait()
        stand = await inbox.do(Letters([1, 2, 3]))
    finally:
        running.cancel()
        await asyncio.wait([running])
        await inbox.close(1)
        log.close()

    assert [letter.state for letter in stand] == ["queued", "queued", "sending"]
    assert tries == ["/p/1.jpg"]


async def test_another_conversations_letter_goes_during_an_upload(tmp_path: Path) -> None:
    """One upload takes its time: its own conversation and the next image wait for it, a card key does not."""
    under_way: list[str] = []

    async def upload(path: str) -> Uploaded:
        under_way.append(path)
        await asyncio.Event().wait()
        raise AssertionError

    settings = MailSettings(file=str(tmp_path / "inbox" / "a.db"), send_rate=0)
    inbox, line = AsyncStore(settings, "a", lambda: None), Silent()
    log = AccountLog("a", LogSettings(dir=str(tmp_path), format="json"))
    sender = OutboxSender(inbox, settings, "22", log, lambda: None, upload=upload)
    await sender.queue("5", "", "33", image="/p/1.jpg")
    await sender.queue("5", "behind it", "33")
    await sender.queue("7", "", "55", image="/p/2.jpg")
    await sender.queue("6", "the key", "44")
    running = asyncio.create_task(sender.run())
    try:
        sender.connected(line)
        async with asyncio.timeout(2):
            await line.asked.wait()
        stand = await inbox.do(Letters([1, 2, 3, 4]))
    finally:
        running.cancel()
        await asyncio.wait([running])
        await inbox.close(1)
        log.close()

    assert [letter.state for letter in stand] == ["queued", "queued", "queued", "sending"]
    assert under_way == ["/p/1.jpg"]
    assert len(asyncio.all_tasks()) == 1, "it ends with the sender"


async def test_its_tries_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up after so many tries; another image has as many."""
    monkeypatch.setattr(image_letters, "RETRIES", (0.01, 0.01))
    tries: list[str] = []

    async def upload(path: str) -> Uploaded:
        tries.append(path)
        return Uploaded(request=1, reason="not now", later=True)

    settings = MailSettings(file=str(tmp_path / "inbox" / "a.db"), send_rate=0)
    inbox = AsyncStore(settings, "a", lambda: None)
    log = AccountLog("a", LogSettings(dir=str(tmp_path), format="json"))
    sender = OutboxSender(inbox, settings, "22", log, lambda: None, upload=upload)
    numbers = []
    for number in (1, 2):
        queued = await sender.queue(str(number), "", "33", image=f"/p/{number}.jpg")
        assert queued.letter is not None
        numbers.append(queued.letter.number)
    running = asyncio.create_task(sender.run())
    try:
        sender.connected(Silent())
        async with asyncio.timeout(5):
            ends = [(await sender.settled(number)).state for number in numbers]
    finally:
        running.cancel()
        await asyncio.wait([running])
        await inbox.close(1)
        log.close()

    assert ends == ["failed", "failed"]
    assert sorted(tries) == ["/p/1.jpg"] * 3 + ["/p/2.jpg"] * 3
