"""What workers say of their messages: put on record, answered, and passed on to who follows."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.inboxes import store, write
from support.postman import hire
from support.standin import until
from xyfleet.supervisor.common.event_log import Event, EventLog
from xyfleet.supervisor.common.i18n import Text
from xyfleet.supervisor.messages.service import MailService
from xyfleet.supervisor.settings import Fleet, Settings
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.ipc.figures import MailFigures
from xyfleet.worker.ipc.messages import CatchUpRequest, Redone, Up
from xyfleet.worker.reasons import words


class Crewmen:
    """As much of a fleet as messages need: three accounts and their events."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events = EventLog(folder / "events.jsonl")
        notes: dict[str, Text] = {}
        settings = Settings(path=folder / "f.yml", fleet=Fleet(name="f", state_dir=folder), accounts={})
        self.mail = MailService(settings, folder / "w.sock", self.inbox, str.upper, self.events, notes)

    def inbox(self, name: str) -> Path:
        """Return where an account's messages are."""
        return self.folder / "inbox" / f"{name}.db"

    def report(self, name: str, **figures: Any) -> None:
        """Let an account's worker report."""
        self.mail.reported(name, MailFigures(**figures))

    def told(self) -> list[tuple[str, str | None, str | None]]:
        """Return what is on record: what, of whom, why."""
        return [(event.new or "", event.account, event.reason) for event in self.events.since()]


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crewmen]:
    one = Crewmen(tmp_path)
    yield one
    one.mail.hub.close()
    one.events.close()


async def test_dead_letters_and_a_full_disk_are_told_once(crew: Crewmen) -> None:
    """Counts and reasons only, and not again with the next report."""
    for _ in range(2):
        crew.report("a", stored=9, dead=2, trouble=words("disk full"))

    assert crew.told() == [("failed", "a", None), ("trouble", "a", "disk full")]
    assert crew.events.since()[0].counts == {"new": 2, "dead": 2}


async def test_handlers_with_one_trouble_are_one_event(crew: Crewmen, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts them, and names nobody; a trouble that only one has names it."""
    monkeypatch.setattr(crew.mail._troubles, "_quiet", 0.1)
    crew.report("a", handler_trouble=words("no module x"))
    crew.report("b", handler_trouble=words("no module x"))
    crew.report("c", handler_trouble=words("blocks"))
    assert crew.told() == []
    await until(lambda: len(crew.told()) == 2)

    def accounts(event: Event) -> tuple[str | None, str | None, str | None, int | None]:
        return event.account, event.label, event.reason, event.accounts

    assert [accounts(event) for event in crew.events.since()] == [
        (None, "", "no module x", 2),
        ("c", "C", "blocks", 1),
    ]


async def test_followers_hear_of_a_new_message(crew: Crewmen) -> None:
    """At once, without a look at the file of their own."""
    with crew.mail.hub.follow(lambda: "a", None) as follower:
        await follower.take(0)
        with store(crew.folder, "a") as opened:
            write(opened, "1.PNM", now=int(time.time() * 1000))
        crew.report("a", stored=1)
        async with asyncio.timeout(10):
            while not any(piece.data is not None for piece in await follower.take(5)):
                pass


class Post:
    """Hands on what one worker says."""

    def __init__(self, crew: Crewmen) -> None:
        self._crew = crew
        self.heard_of: list[Up] = []
        self.ended = asyncio.Event()
        self.child = hire(self, crew.folder / "a.db")

    def heard(self, child: WorkerProcess, message: Up) -> None:
        """Hand on."""
        assert isinstance(message, CatchUpRequest | Redone)
        self.heard_of.append(message)
        self._crew.mail.heard(child, message)

    def gone(self, child: WorkerProcess) -> None:
        """Hand on."""
        self._crew.mail.worker_gone("a", child)
        self.ended.set()


async def test_workers_are_answered_and_answer(crew: Crewmen) -> None:
    """A turn to catch up for who asks; to a request the answer of its worker, and none when that is gone."""
    post = Post(crew)
    await until(lambda: post.heard_of == [CatchUpRequest()])

    assert await crew.mail.post.redo(post.child, []) == 1  # it counts its turns
    asked = asyncio.create_task(crew.mail.post.redo(post.child, ["silent"]))
    await asyncio.sleep(0)
    post.child.signal(signal.SIGKILL)
    async with asyncio.timeout(3):
        assert await asked is None
    assert post.ended.is_set()
