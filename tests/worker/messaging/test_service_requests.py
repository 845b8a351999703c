"""Requests of the supervisor that go wrong: each has an answer, and none is another one's trouble."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.gateway import Gateway
from support.station import Station, until
from xyfleet.worker.ipc.messages import Redo, Redone, Send, Sent
from xyfleet.worker.messaging import requests
from xyfleet.worker.settings import MailSettings


def answers(station: Station) -> list[Sent]:
    """Return what was said about texts."""
    return [heard for heard in station.heard if isinstance(heard, Sent)]


def offline(gateway: Gateway, folder: Path) -> Station:
    """Return a station that never gets a ticket."""
    mail = MailSettings(file=str(folder / "inbox" / "a0.db"))
    return Station(gateway.endpoint, folder, mail=mail, carried=False, answer=lambda request: None)


async def test_a_removed_inbox_is_one_requests_answer(gateway: Gateway, tmp_path: Path) -> None:
    """M15: who waits for a letter in an inbox that is removed learns so, and the worker goes on."""
    async with offline(gateway, tmp_path) as station:
        station.say(Send(request=1, conversation="c", text="x", receiver="9"))
        await until(lambda: answers(station))
        shutil.rmtree(tmp_path / "inbox")
        station.say(Send(request=2, conversation="c", text="y", receiver="9"))
        await until(lambda: [one.state for one in answers(station) if one.request == 1] == ["queued", "unknown"])
        await until(lambda: [one.state for one in answers(station) if one.request == 2] == ["queued"])
        reason = next(one.reason for one in answers(station) if one.state == "unknown")
        station.say(Redo(request=3))
        await until(lambda: any(isinstance(heard, Redone) for heard in station.heard))

    assert reason == "the outbox was lost"


async def test_requests_that_wait_are_bounded(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounds: of an account that is offline only so many texts are waited for; one more is refused at once."""
    monkeypatch.setattr(requests, "MOST_REQUESTS", 3)
    async with offline(gateway, tmp_path) as station:
        for number in range(1, 6):
            station.say(Send(request=number, conversation="c", text="x", receiver="9"))
        await until(lambda: len(answers(station)) == 5)
        states = {one.request: one.state for one in answers(station)}

    assert states == {1: "queued", 2: "queued", 3: "queued", 4: "refused", 5: "refused"}
    assert {one.reason for one in answers(station)} == {None, "3 requests wait already"}
