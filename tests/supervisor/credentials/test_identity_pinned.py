"""The browser is pinned with the login: it changes with the next one, and with nothing else."""

from __future__ import annotations

from pathlib import Path

from xyfleet.supervisor.credentials.record import shown
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.identity import DEFAULT, LEGACY, made
from xyfleet.worker.secret import Secret

COOKIE = Secret("unb=101; cookie2=sim-a")
NEWER = Secret("unb=101; cookie2=sim-b")
OLD, NEW = made(version=148), made(version=151)


def opened(folder: Path) -> Store:
    """Return a loaded store."""
    store = Store(folder, retry=0.1)
    store.load([])
    return store


async def test_login_keeps_its_browser(tmp_path: Path) -> None:
    """A new default or another line of the file changes no live login; the next login brings it. It is on disk."""
    store = opened(tmp_path)
    store.adopt("shop", COOKIE, "file", OLD)
    store.pin("shop", NEW)
    assert not store.adopt("shop", COOKIE, "file", NEW)
    assert shown(store.get("shop"), NEW) == OLD
    await store.close()

    again = opened(tmp_path)
    assert shown(again.get("shop"), NEW) == OLD
    again.replace("shop", NEWER, "login", NEW)
    assert shown(again.get("shop"), None) == NEW
    await again.close()


async def test_login_of_an_older_version_keeps_what_it_showed(tmp_path: Path) -> None:
    """Without a word in the file that is the old default; with one it is what the file said then."""
    store = opened(tmp_path)
    store.adopt("silent", COOKIE, "file")
    store.adopt("said", Secret("unb=102; cookie2=x"), "file")
    store.pin("silent", None)
    store.pin("said", OLD)

    assert shown(store.get("silent"), NEW).user_agent == LEGACY
    assert shown(store.get("said"), NEW) == OLD
    assert shown(store.get("nobody"), None) == DEFAULT
    await store.close()
