"""The store's face: frozen records, written under the login they were made for, on disk when that is said."""

from __future__ import annotations

import asyncio
import json
import resource
from pathlib import Path

import pytest

from support.records import change
from xyfleet.supervisor.credentials.record import Attempt
from xyfleet.supervisor.credentials.store import Store, Superseded
from xyfleet.worker.secret import Secret

COOKIE = Secret("unb=101; cookie2=sim-a")
NEWER = Secret("unb=101; cookie2=sim-b")


def opened(folder: Path) -> Store:
    """Return a loaded store."""
    store = Store(folder, retry=0.1)
    store.load([])
    return store


async def test_what_is_written_is_on_disk(tmp_path: Path) -> None:
    """When `write` returns: whoever is killed behind it has not forgotten."""
    store = opened(tmp_path)
    store.adopt("shop", COOKIE, "file")
    held = store.get("shop")

    assert await store.write(store.key("shop"), held.but(calls=(5.0,)), held.login)
    assert json.loads((tmp_path / "users" / "101.json").read_text())["calls"] == [5.0]
    assert held.calls == (), "a record never changes in place"
    await store.close()


async def test_what_was_asked_under_an_older_login_is_not_taken(tmp_path: Path) -> None:
    """A new login, or `forget`, came meanwhile; merged cookies and settings are none."""
    store = opened(tmp_path)
    store.adopt("shop", COOKIE, "file")
    asked = store.get("shop")
    change(store, "shop", cookie=Secret("unb=101; cookie2=sim-a; seen=1"))
    assert store.put(store.key("shop"), store.get("shop").but(serial=1), asked.login)
    store.replace("shop", NEWER, "login")

    with pytest.raises(Superseded):
        await store.write(store.key("shop"), asked.but(token=Secret("late")), asked.login)
    assert store.get("shop").cookie == NEWER
    key, login = store.key("shop"), store.get("shop").login
    await store.erase("shop")
    assert not store.put(key, asked.but(token=Secret("late")), login)
    assert store.get("shop").login > login
    await store.close()
    assert not (tmp_path / "users" / "101.json").exists()


async def test_a_full_disk_is_told_at_once(tmp_path: Path) -> None:
    """Who waits for the disk hears that it refuses, and is not kept; what is put counts all the same."""
    store = opened(tmp_path)
    store.adopt("shop", COOKIE, "file")
    assert await store.saved("shop")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        held = store.get("shop").but(serial=9)
        assert not await asyncio.wait_for(store.write(store.key("shop"), held, held.login), 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert store.get("shop").serial == 9
    await store.close()


async def test_nothing_is_read_behind_its_own_writes(tmp_path: Path) -> None:
    """Finding 24: forgotten from memory and read again before it is on disk: what was put last counts."""
    store = opened(tmp_path)
    store.adopt("shop", COOKIE, "file")
    assert await store.flush()
    for serial in range(1, 200):
        change(store, "shop", serial=serial)
        store.forget("shop")
        assert store.get("shop").serial == serial
    await store.close()


async def test_a_first_login_takes_along_what_was_tried_before(tmp_path: Path) -> None:
    """A name has a record of its own until it is known who it is; then the user has all of it."""
    store = opened(tmp_path)
    change(store, "shop", attempts=(Attempt(start=5.0),), hook_runs=1)
    assert await store.flush()
    assert (tmp_path / "names" / "shop.json").exists()
    store.replace("shop", COOKIE, "hook")
    assert await store.close()

    assert list((tmp_path / "names").iterdir()) == []
    again = opened(tmp_path)
    assert (again.get("shop").hook_runs, len(again.get("shop").attempts), again.user("shop")) == (1, 1, "101")
    assert again.holder("101") == "shop"


async def test_a_user_with_another_name_keeps_what_is_his(tmp_path: Path) -> None:
    """Device id, token, budget, and an operator's stop; the old name is nobody then."""
    store = opened(tmp_path)
    store.adopt("shop", COOKIE, "file")
    change(store, "shop", token=Secret("tok"), calls=(5.0,), serial=3)
    store.book.set_stopped(["shop"], "li", 5.0)
    before, inbox = store.get("shop"), store.inbox("shop")
    store.assign({"boutique": "101"})

    assert (store.get("boutique"), store.inbox("boutique")) == (before, inbox)
    assert (store.user("shop"), store.get("shop").unb) == (None, None)
    assert (store.book.stopped("shop"), store.book.stopped("boutique")) != (None, None)
    assert not store.adopt("boutique", COOKIE, "file"), "its cookie is no news"
    await store.close()
