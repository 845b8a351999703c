"""What a token call brought is on disk before anybody uses it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.jobs import until
from support.tokens import NEW_COOKIE, SHOP, service
from support.tokenserver import Answer, TokenServer
from xyfleet.supervisor.credentials.store import Store

BUSY = 40
"""Files that the disk has to take first."""


def keep_busy(store: Store, folder: Path) -> None:
    """Give the thread that writes something to do."""
    for number in range(BUSY):
        store.put_beside(folder / f"{number}.bin", b"x")


async def test_a_token_is_on_disk_before_it_is_handed_out(store: Store, server: TokenServer, tmp_path: Path) -> None:
    """A supervisor that is killed the moment a worker dials does not call for another one."""
    server.say(Answer(delay=0.05))
    asked = asyncio.create_task(service(store, server).get(SHOP))
    await until(lambda: server.calls)
    keep_busy(store, tmp_path)
    token = await asked

    next_one = Store(tmp_path)
    next_one.load(["shop"])
    assert next_one.get("shop").token == token.text


async def test_a_login_while_a_token_is_written_makes_it_void(
    store: Store, server: TokenServer, tmp_path: Path
) -> None:
    """The token is the old login's; another one is called for with the new cookie."""
    tokens = service(store, server)
    store.put_beside(tmp_path / "large.bin", bytes(128 << 20))  # takes longer than the answer
    asked = asyncio.create_task(tokens.get(SHOP))
    async with asyncio.timeout(5):
        while not store.get("shop").token:  # noqa: ASYNC110 (nobody tells of it, and it passes)
            await asyncio.sleep(0.001)
    store.replace("shop", NEW_COOKIE, "login")
    token = await asked

    assert len(server.calls) == 2
    assert store.get("shop").token == token.text
