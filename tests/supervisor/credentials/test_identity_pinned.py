"""The browser is pinned with the login: it changes with the next one, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from xyfleet.supervisor.credentials.at_rest import records
from xyfleet.supervisor.credentials.browser_changes import changes, next_browser
from xyfleet.supervisor.credentials.record import Credentials, shown
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.identity import DEFAULT, LEGACY, Identity, made, raw
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


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (None, None),
        (made(version=148), None),
        (NEW, "Chrome 151 (Windows)"),
        (made("edge", 148, "macos"), "Edge 148 (macOS)"),
        (made(version=148, language="en-US"), "Chrome 148 (Windows), en-US"),
        (raw("Agent/1"), "Agent/1"),
    ],
)
def test_another_browser_in_the_file(wanted: Identity | None, told: str | None) -> None:
    """It is told as what the next login shows; who has no login has nothing to keep."""
    assert next_browser(Credentials(cookie=COOKIE, identity=OLD), wanted) == told
    assert next_browser(Credentials(), wanted) is None


def files(folder: Path) -> list[tuple[Path, bytes]]:
    """Return all that is there."""
    return sorted((path, path.read_bytes()) for path in folder.rglob("*") if path.is_file())


async def test_who_only_looks_sees_it_too(tmp_path: Path) -> None:
    """From the disk, changing nothing; one sentence for all; a record that can't be read is none."""
    store = opened(tmp_path)
    for number, name in enumerate(("one", "two", "three")):
        store.adopt(name, Secret(f"unb=10{number}; cookie2=x"), "file", OLD)
    await store.close()
    (tmp_path / "users" / "102.json").write_text("{")
    (tmp_path / "users" / "102.json.bak").unlink(missing_ok=True)
    before = files(tmp_path)
    held = records(tmp_path, ["one", "two", "three", "nobody"])
    text = changes((name, found, NEW) for name, found in held.items())

    assert sorted(held) == ["one", "two"]
    assert text is not None
    assert "for 2 accounts" in text.say("en")
    assert "first for one: Chrome 151 (Windows), not Chrome 148 (Windows)" in text.say("en")
    assert changes((name, found, OLD) for name, found in held.items()) is None
    assert files(tmp_path) == before
    assert records(tmp_path / "nowhere", ["one"]) == {}
