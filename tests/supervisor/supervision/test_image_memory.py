"""Images that wait for their turn to be uploaded are not held in memory, nor by a thread that others need."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from pathlib import Path

import pytest

from support.idlefleet import idle_fleet
from xyfleet.supervisor.passport import image_files
from xyfleet.supervisor.supervision.fleet import Fleet
from xyfleet.supervisor.tokens.pacing import TokenLimits
from xyfleet.supervisor.workers.forkserver import Forkserver
from xyfleet.worker.ipc.messages import UploadRequest

ACCOUNTS = [{"name": f"a{number}", "cookie": f"unb={2200 + number}; cookie2=x"} for number in range(8)]
SIZE = 8 * 2**20


class Deaf:
    """A worker that hears nothing."""

    def send(self, message: object) -> bool:
        """Take an answer."""
        return True


async def ask(fleet: Fleet, path: Path) -> list[asyncio.Task[None]]:
    """Have every account upload an image; nobody has a turn for it."""
    fleet.tokens.apply(TokenLimits(rate=1e-6, burst=1))
    await fleet.tokens.turn("another", None)
    requests = [
        fleet.images.answer(member, Deaf(), UploadRequest(request=1, path=str(path)))  # type: ignore[arg-type]
        for member in fleet.members.values()
    ]
    return [asyncio.create_task(each) for each in requests]


async def end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel what goes on."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_waits_for_a_turn_holds_no_image(tmp_path: Path, forkserver: Forkserver) -> None:
    """A campaign of 1,500 shops with a photo each would take gigabytes: turns are one a second."""
    file = tmp_path / "big.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1".ljust(SIZE, b"\0"))
    async with idle_fleet(tmp_path, forkserver, ACCOUNTS) as fleet:
        tracemalloc.start()
        try:
            tasks = await ask(fleet, file)
            async with asyncio.timeout(10):
                while len(fleet.tokens.waits()) < len(ACCOUNTS):  # noqa: ASYNC110 (nobody tells of it)
                    await asyncio.sleep(0.02)
            held, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await end(tasks)

    assert held < 2 * SIZE
    assert most < 5 * SIZE


async def test_images_that_hang_take_nobody_elses_thread(
    tmp_path: Path, forkserver: Forkserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop has six threads on two cores, and login hooks and reloads need them."""
    hangs = threading.Event()
    monkeypatch.setattr(image_files, "read", lambda path: hangs.wait(20))
    async with idle_fleet(tmp_path, forkserver, ACCOUNTS) as fleet:
        tasks = await ask(fleet, tmp_path / "any.png")
        await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            await asyncio.gather(*(asyncio.to_thread(int) for _ in range(32)))
        hangs.set()
        await end(tasks)
