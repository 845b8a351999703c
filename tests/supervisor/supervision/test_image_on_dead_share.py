"""Images on a share whose server is gone: they wait for it, and no other account's do."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from support.idlefleet import idle_fleet
from xyfleet.supervisor.passport import image_files
from xyfleet.supervisor.passport.browser_calls import BrowserCalls
from xyfleet.supervisor.passport.image_files import Image
from xyfleet.supervisor.supervision import image_uploads
from xyfleet.supervisor.tokens.pacing import TokenLimits
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.worker.ipc.messages import Uploaded, UploadRequest
from xyfleet.worker.protocol.im_calls import Picture

ACCOUNTS = [{"name": f"a{number}", "cookie": f"unb={2200 + number}; cookie2=x"} for number in range(4)]


class Child:
    """A worker that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Uploaded] = []

    def send(self, message: Uploaded) -> bool:
        """Take an answer."""
        self.told.append(message)
        return True


async def test_a_dead_share_stops_nobody_elses_images(
    tmp_path: Path, forkserver: Forkserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three accounts name files there, each again and again; the fourth one's image is sent all the same."""
    hangs = threading.Event()
    reads: list[str] = []

    def read(path: str) -> Image:
        reads.append(path)
        if path.startswith("/dead"):
            hangs.wait(20)
        return Image(b"", "png", 1, 1)

    async def upload(calls: BrowserCalls, image: Image) -> Picture:
        return Picture("https://x/y.png", 1, 1)

    monkeypatch.setattr(image_files, "read", read)
    monkeypatch.setattr(image_uploads, "upload", upload)
    monkeypatch.setattr(image_uploads, "READ_WITHIN", 0.1)
    async with idle_fleet(tmp_path, forkserver, ACCOUNTS) as fleet:
        fleet.tokens.apply(TokenLimits(rate=0))
        child = Child()
        images, members = fleet.images, fleet.members
        for _ in range(3):
            for name in ("a0", "a1", "a2"):
                request = UploadRequest(request=1, path=f"/dead/{name}.png")
                await images.answer(members[name], child, request)  # type: ignore[arg-type]
        async with asyncio.timeout(2):
            await images.answer(members["a3"], child, UploadRequest(request=2, path="/x.png"))  # type: ignore[arg-type]
        *late, good = child.told
        tried = len(reads)
        hangs.set()
        await asyncio.sleep(0.1)
        await images.answer(members["a0"], child, UploadRequest(request=3, path="/dead/a0.png"))  # type: ignore[arg-type]

    assert good.picture is not None
    assert all(each.later and each.picture is None for each in late)
    assert tried == 3 + 2, "one thread hangs for each of the three"
    assert child.told[-1].picture is not None, "the share is back"


async def test_a_worker_that_ends_leaves_one_thread_behind(
    tmp_path: Path, forkserver: Forkserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account is restarted again and again while its image hangs: no further thread hangs for it."""
    hangs = threading.Event()
    reads: list[str] = []

    def read(path: str) -> Image:
        reads.append(path)
        hangs.wait(20)
        return Image(b"", "png", 1, 1)

    monkeypatch.setattr(image_files, "read", read)
    async with idle_fleet(tmp_path, forkserver, ACCOUNTS) as fleet:
        fleet.tokens.apply(TokenLimits(rate=0))
        child = Child()
        request = UploadRequest(request=1, path="/dead/a0.png")
        for _ in range(3):
            asked = asyncio.create_task(fleet.images.answer(fleet.members["a0"], child, request))  # type: ignore[arg-type]
            await asyncio.wait([asked], timeout=0.3)
            asked.cancel()
            await asyncio.wait([asked])
        hangs.set()

    assert len(reads) == 1
