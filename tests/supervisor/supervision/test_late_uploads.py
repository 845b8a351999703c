"""An image whose turn comes late: not uploaded for an account that was stopped, nor for a worker that is gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.idlefleet import idle_fleet
from xyfleet.supervisor.passport.browser_calls import BrowserCalls
from xyfleet.supervisor.passport.image_files import Image
from xyfleet.supervisor.supervision import image_uploads
from xyfleet.supervisor.supervision.account_events import Event, Kind
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.supervisor.tokens.pacing import TokenLimits
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.worker.ipc.messages import Ask, Uploaded, UploadRequest
from xyfleet.worker.protocol.im_calls import Picture

ACCOUNTS = [{"name": "a", "cookie": "unb=2200; cookie2=x"}]
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1"


class Child:
    """A worker that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def send(self, message: object) -> bool:
        """Take an answer."""
        self.told.append(message)
        return True


def waits(fleet: Fleet) -> bool:
    """Tell whether the account waits for a turn: one of token calls, or one of questions behind these."""
    return "a" in fleet.tokens.waits() or "a" in fleet.asks.calls._waiting


async def until_it_waits(fleet: Fleet) -> None:
    """Return when the account waits for its turn."""
    async with asyncio.timeout(5):
        while not waits(fleet):  # noqa: ASYNC110 (nobody tells of it)
            await asyncio.sleep(0.01)


async def give_turns(fleet: Fleet) -> None:
    """Let everybody have his turn."""
    fleet.tokens.apply(TokenLimits(rate=0))
    await asyncio.sleep(0.1)


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give what is uploaded."""
    made: list[str] = []

    async def upload(calls: BrowserCalls, image: Image) -> Picture:
        made.append(image.kind)
        return Picture("https://x/y.png", 1, 1)

    monkeypatch.setattr(image_uploads, "upload", upload)
    return made


async def test_nothing_is_uploaded_for_a_stopped_account(
    tmp_path: Path, forkserver: Forkserver, uploads: list[str]
) -> None:
    """Its owner stops it while the image waits: no call is made with its cookies any more."""
    (tmp_path / "x.png").write_bytes(PNG)
    async with idle_fleet(tmp_path, forkserver, ACCOUNTS) as fleet:
        fleet.tokens.apply(TokenLimits(rate=1e-6, burst=1))
        await fleet.tokens.turn("another", None)
        member, child = fleet.members["a"], Child()
        request = UploadRequest(request=1, path=str(tmp_path / "x.png"))
        job = asyncio.create_task(fleet.images.answer(member, child, request))  # type: ignore[arg-type]
        await until_it_waits(fleet)
        member.happened(Event(kind=Kind.UNWANT))
        await give_turns(fleet)
        await job

    assert uploads == []
    (told,) = child.told
    assert isinstance(told, Uploaded)
    assert told.later


@pytest.mark.parametrize("asked", [UploadRequest(request=1, path=""), Ask(request=1, what="item", id="812")])
async def test_what_a_worker_asked_for_ends_with_it(
    tmp_path: Path, forkserver: Forkserver, uploads: list[str], asked: UploadRequest | Ask
) -> None:
    """It is killed while its question waits: the next one asks again, and one call is made for both."""
    (tmp_path / "x.png").write_bytes(PNG)
    if isinstance(asked, UploadRequest):
        asked = UploadRequest(request=1, path=str(tmp_path / "x.png"))
    async with idle_fleet(tmp_path, forkserver, ACCOUNTS) as fleet:
        fleet.tokens.apply(TokenLimits(rate=1e-6, burst=1))
        await fleet.tokens.turn("another", None)
        member, child = fleet.members["a"], Child()
        services = fleet._services
        services._heard(member, child, asked)  # type: ignore[arg-type]
        await until_it_waits(fleet)
        services.ports().gone(member, child)  # type: ignore[arg-type]
        await asyncio.sleep(0.05)

        assert not waits(fleet)
        await give_turns(fleet)

    assert uploads == []
