"""Tests of `xyfleet.supervisor.credentials.store`."""

from __future__ import annotations

import json
import logging
import resource
import stat
import time
from pathlib import Path

import pytest

from support.records import change
from xyfleet.supervisor.credentials.fleet_document import Stopped
from xyfleet.supervisor.credentials.record import SCHEMA, OtherUser
from xyfleet.supervisor.credentials.store import StateRefused, Store
from xyfleet.worker.secret import Secret

COOKIE = Secret("unb=2200000000001; cookie2=sim-a")
HOOK = Secret("unb=2200000000001; cookie2=sim-b")


def opened(folder: Path, *names: str) -> Store:
    """Return a loaded store."""
    store = Store(folder, retry=0.1)
    store.load(names)
    return store


async def reopened(store: Store, folder: Path, *names: str) -> Store:
    """Close a store and return one that a new supervisor would have."""
    assert await store.close()
    return opened(folder, *names)


def account_file(folder: Path, name: str = "shop") -> Path:
    """Return where the record of an account without a login is."""
    return folder / "names" / f"{name}.json"


def files(folder: Path) -> list[Path]:
    """Return all files in and below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


async def saved(folder: Path, versions: int = 2) -> bytes:
    """Leave an account with that many versions, and return the newest."""
    store = opened(folder)
    for number in range(versions):
        change(store, "shop", serial=number + 1)
        assert await store.flush()
    assert await store.close()
    return account_file(folder).read_bytes()


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """Cookie, token, serial, device id and history outlive the supervisor."""
    store = opened(tmp_path)
    assert store.adopt("shop", COOKIE, "file")
    change(store, "shop", token=Secret("tok"), serial=3, expires=5.0, calls=(1.0,))
    held = store.get("shop")
    again = await reopened(store, tmp_path, "shop")

    assert held == again.get("shop")
    assert not again.adopt("shop", COOKIE, "file")
    assert await again.close()


async def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    """The folder of credentials is 0700 and the files are 0600."""
    await saved(tmp_path)

    assert stat.S_IMODE((tmp_path / "names").stat().st_mode) == 0o700
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "names").iterdir()}


async def test_a_hook_s_cookie_wins_after_a_restart_too(tmp_path: Path) -> None:
    """The precedence of cookies is kept on disk."""
    store = opened(tmp_path)
    store.adopt("shop", COOKIE, "file")
    store.replace("shop", HOOK, "hook")
    again = await reopened(store, tmp_path)

    assert not again.adopt("shop", COOKIE, "file")
    assert (again.get("shop").cookie, again.get("shop").source) == (HOOK, "hook")
    with pytest.raises(OtherUser):
        again.replace("shop", Secret("unb=9; cookie2=x"), "login")
    assert await again.close()


@pytest.mark.parametrize(
    "torn",
    [
        b"",
        b'{"schema":1,"ser',
        b"\xff\xfe",
        b"[]",
        b'{"schema":1,"serial":"x"}',
        b'{"schema":1,"cookie":5}',
        b"\0" * 300,
    ],
)
async def test_a_torn_file_falls_back_aloud(tmp_path: Path, torn: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """An empty or torn file: the version before is used, it is said, and it stays the version before."""
    await saved(tmp_path)
    account_file(tmp_path).write_bytes(torn)
    with caplog.at_level(logging.WARNING, "xyfleet.store"):
        store = opened(tmp_path, "shop")

    assert store.get("shop").serial == 1
    (note,) = store.notes()
    assert note.say("en") == f"state file {account_file(tmp_path)} was empty or torn; the version before it is used"
    assert note.say("en") in caplog.text
    change(store, "shop")
    again = await reopened(store, tmp_path, "shop")
    assert again.notes() == []
    assert b'"serial":1' in account_file(tmp_path).with_name("shop.json.bak").read_bytes()
    assert await again.close()


async def test_nothing_good_left_begins_anew_aloud(tmp_path: Path) -> None:
    """With both versions torn the account begins anew, and that is said."""
    await saved(tmp_path)
    for path in (tmp_path / "names").iterdir():
        path.write_bytes(b"torn")
    store = opened(tmp_path, "shop")

    assert store.get("shop").serial == 0
    assert "begins anew" in store.notes()[0].say("en")
    assert await store.close()


@pytest.mark.parametrize("name", ["names/shop.json", "fleet.json"])
async def test_a_newer_file_is_refused_unharmed(tmp_path: Path, name: str) -> None:
    """A file of a newer version is refused at once and stays as it is, byte for byte."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    newer = json.dumps(
        {"schema": SCHEMA + 1, "readable_by": SCHEMA + 1, "cookie": {"new": "shape"}, "stopped": []}
    ).encode()
    path.write_bytes(newer)

    with pytest.raises(StateRefused, match="written by a newer xyfleet") as caught:
        opened(tmp_path, "shop")
    assert str(path) in caught.value.text.say("en")
    assert path.read_bytes() == newer


async def test_a_newer_version_before_is_refused_too(tmp_path: Path) -> None:
    """A torn file beside a newer version before is no reason to write over that one."""
    await saved(tmp_path)
    account_file(tmp_path).write_bytes(b"torn")
    account_file(tmp_path).with_name("shop.json.bak").write_bytes(b'{"schema":99}')

    with pytest.raises(StateRefused, match="newer"):
        opened(tmp_path, "shop")


async def test_an_unusable_folder_is_refused(tmp_path: Path) -> None:
    """A file where the folder should be, or a folder where a file should be: refused with the path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateRefused, match=r"cannot use .*/file: it is not a folder|Not a directory"):
        opened(tmp_path / "file")
    account_file(tmp_path).mkdir(parents=True)
    with pytest.raises(StateRefused, match=r"cannot use .*shop.json: it is not a plain file"):
        opened(tmp_path, "shop")


async def test_a_full_disk_is_a_note_until_it_is_over(tmp_path: Path) -> None:
    """While nothing can be written the fleet goes on, `notes` says so, and the file that was good stays."""
    good = await saved(tmp_path)
    store = opened(tmp_path, "shop")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        change(store, "shop", serial=9)

        assert not await store.flush(2)
        (note,) = store.notes()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert note.say("en") == "state can't be saved, the fleet goes on without: shop.json: File too large"
    assert account_file(tmp_path).read_bytes() == good
    deadline = time.monotonic() + 5
    while not await store.flush(1) and time.monotonic() < deadline:
        pass
    assert store.notes() == []
    again = await reopened(store, tmp_path, "shop")
    assert again.get("shop").serial == 9
    assert await again.close()


async def test_stops_are_remembered(tmp_path: Path) -> None:
    """What an operator stopped stays stopped after a restart, with who and when, until it is started again."""
    store = opened(tmp_path)
    store.book.set_stopped(["a", "b", "c"], "root", 5.0)
    store.book.set_running(["b", "never stopped"])
    again = await reopened(store, tmp_path)

    assert again.book.stopped("a") == Stopped(by="root", at=5.0)
    assert again.book.stopped("b") is None
    again.book.forget_stops()
    once_more = await reopened(again, tmp_path)
    assert (once_more.book.stopped("a"), once_more.book.stopped("c")) == (None, None)
    assert await once_more.close()


async def test_nothing_to_say_writes_nothing(tmp_path: Path) -> None:
    """Reading, and starting what was not stopped, leave no file."""
    store = opened(tmp_path, "shop")
    store.get("other")
    store.book.set_running(["shop"])
    store.book.forget_stops()

    assert await store.close()
    assert files(tmp_path) == []


async def test_a_removed_account_may_come_back(tmp_path: Path) -> None:
    """Forgetting drops an account from memory; its file stays and is read again."""
    store = opened(tmp_path)
    change(store, "shop", serial=4)
    assert await store.flush()
    held = store.get("shop")
    store.forget("shop")

    assert store.get("shop") is not held
    assert store.get("shop").serial == 4
    assert await store.close()


@pytest.mark.parametrize("name", ["..", ".", "a.json", "a.json.bak", "-", "A" * 64])
async def test_any_allowed_name_is_a_file_of_its_own(tmp_path: Path, name: str) -> None:
    """Names that look like paths or like our own files stay inside the folder and harm no other account."""
    store = opened(tmp_path)
    for each, serial in (("a", 1), (name, 2), ("a", 3)):
        change(store, each, serial=serial)
        assert await store.flush()
    again = await reopened(store, tmp_path, "a", name)

    assert (again.get("a").serial, again.get(name).serial) == (3, 2)
    assert all(path.parent == tmp_path / "names" for path in files(tmp_path))
    assert await again.close()


@pytest.mark.timing
async def test_many_accounts_are_read_quickly(tmp_path: Path) -> None:
    """Loading takes well under half a millisecond for each account, and handing in changes as little."""
    names = [f"shop-{number:04}" for number in range(400)]
    store = opened(tmp_path)
    store.adopt("model", Secret("unb=1; " + "; ".join(f"c{n}={'x' * 60}" for n in range(20))), "file")
    assert await store.close()
    model = (tmp_path / "users" / "1.json").read_bytes()
    for name in names:
        account_file(tmp_path, name).write_bytes(model)
    started = time.perf_counter()
    store = opened(tmp_path, *names)
    loaded = time.perf_counter() - started
    started = time.perf_counter()
    for name in names:
        change(store, name)
    handed_in = time.perf_counter() - started

    assert loaded < 0.5 * 400 / 1000
    assert handed_in < 0.3 * 400 / 1000
    assert await store.close(60)


async def test_the_first_meeting_outlives_a_restart(tmp_path: Path) -> None:
    """Messages are caught up with from the moment on at which the account was first met, of `login` too."""
    store = opened(tmp_path)
    before = int(time.time() * 1000)
    store.adopt("shop", COOKIE, "file")
    store.replace("other", Secret("unb=7"), "login")
    met = [store.get(name).since for name in ("shop", "other")]

    assert all(before <= since <= time.time() * 1000 for since in met)
    store = await reopened(store, tmp_path, "shop", "other")
    assert [store.get(name).since for name in ("shop", "other")] == met
    await store.close()


async def test_an_old_version_knew_nothing_of_messages(tmp_path: Path) -> None:
    """Its account is met when its file is first read, and that is kept."""
    store = opened(tmp_path)
    store.adopt("shop", COOKIE, "file")
    assert await store.close()
    file = tmp_path / "users" / "2200000000001.json"
    found = json.loads(file.read_bytes())
    del found["since"]
    file.write_text(json.dumps(found))

    before = int(time.time() * 1000)
    store = opened(tmp_path, "shop")
    since = store.get("shop").since
    assert before <= since <= time.time() * 1000
    store = await reopened(store, tmp_path)
    assert store.get("shop").since == since
    await store.close()


async def test_an_account_without_a_login_is_not_met(tmp_path: Path) -> None:
    """Nothing is written for it."""
    store = opened(tmp_path, "shop")

    assert store.get("shop").since == 0
    await store.close()
    assert files(tmp_path) == []
