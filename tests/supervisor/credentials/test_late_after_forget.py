"""What was asked under a login that is forgotten comes late: it brings nothing of it back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from xyfleet.supervisor.credentials.store import Store
from xyfleet.worker.secret import Secret


async def test_an_answer_that_comes_while_the_file_is_deleted_restores_no_cookie(tmp_path: Path) -> None:
    """A renewal, an upload or an order's call ends while `forget` waits for the disk: the cookie stays deleted."""
    store = Store(tmp_path)
    store.load([])
    store.replace("a", Secret("unb=2200; cookie2=secret"), "login")
    await store.saved("a")
    key, asked = store.key("a"), store.get("a")
    change = store._files._writer._change
    with change:  # the disk is busy
        erasing = asyncio.create_task(store.erase("a"))
        await asyncio.sleep(0.05)
        held = store.at(key)
        if held.login == asked.login:  # as whoever merges what an answer sets
            store.put(key, held.but(serial=7))
    deleted, trouble = await erasing
    await store.flush()

    assert trouble is None
    assert str(key) in deleted
    assert not key.exists()
    assert store.at(key).cookie is None
    assert store.at(key).login > asked.login
    await store.close()


async def test_a_forgotten_user_that_logs_in_again_begins_a_newer_login(tmp_path: Path) -> None:
    """What was asked before he was forgotten is told from what is asked now, under whatever name."""
    store = Store(tmp_path)
    store.load([])
    store.replace("a", Secret("unb=2200; cookie2=old"), "login")
    before, key = store.get("a").login, store.key("a")
    await store.erase("a")
    store.replace("b", Secret("unb=2200; cookie2=new"), "login")

    assert store.key("b") == key
    assert store.get("b").login > before
    assert store.get("b").cookie is not None
    await store.close()
