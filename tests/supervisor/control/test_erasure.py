"""All that is stored about an account goes away, and nothing else does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.fleet import Fleet, account, running, unb
from support.gateway import Gateway
from support.records import change
from xyfleet.supervisor.api.client import Refused
from xyfleet.supervisor.common import atomic_files
from xyfleet.supervisor.control.erasure import Leftovers, is_name
from xyfleet.supervisor.credentials.store import Store
from xyfleet.worker.secret import Secret

OURS = ("a.log", "a.log.1", "a.log.12", "a.stack.log", "a.stack.log.1", "a.hook.log", "a.hook.log.1", "a.beats.log")
OTHERS = ("b.log", "aa.log", "a.log.log", "a.b.log", "a.log.1.log", "a.stack", "a-log", "axlog", "supervisor.log")


def touch(folder: Path, *names: str) -> None:
    """Make files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("x")


def names(folder: Path) -> set[str]:
    """Return what is in a folder."""
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("shop-001", True),
        ("a.b_C", True),
        ("", False),
        (".", False),
        ("..", False),
        ("../a", False),
        ("a/b", False),
        ("a\n", False),
        ("a" * 65, False),
        ("店", False),
        ("a*", False),
    ],
)
def test_only_names_of_accounts_make_paths(name: str, good: bool) -> None:
    """Nothing that could lead out of the folders."""
    assert is_name(name) is good


def test_inbox_and_logs_go_and_others_stay(tmp_path: Path) -> None:
    """An account whose name begins with ours, or looks like one of our files, keeps its own."""
    touch(tmp_path / "inbox", "a.db", "a.db-wal", "a.db-shm", "a.db.db", "b.db")
    touch(tmp_path / "logs", *OURS, *OTHERS)
    deleted, trouble = Leftovers("a", tmp_path / "inbox" / "a.db", tmp_path / "logs", ()).delete()

    assert trouble is None
    assert {Path(path).name for path in deleted} == {"a.db", "a.db-wal", "a.db-shm", *OURS}
    assert names(tmp_path / "inbox") == {"a.db.db", "b.db"}
    assert names(tmp_path / "logs") == set(OTHERS)
    assert Leftovers("a", tmp_path / "inbox" / "a.db", tmp_path / "logs", ()).delete() == ([], None)


def test_log_of_another_account_stays(tmp_path: Path) -> None:
    """`a.hook` may be an account; its log is not a side file of ours then."""
    touch(tmp_path, "a.log", "a.hook.log", "a.stack.log")
    Leftovers("a", tmp_path / "inbox" / "a.db", tmp_path, {"a", "a.hook"}).delete()

    assert names(tmp_path) == {"a.hook.log"}


def test_side_file_of_another_account_is_not_our_log(tmp_path: Path) -> None:
    """Who forgets `a.hook`, a name that never was, does not delete what the hook of `a` has said."""
    touch(tmp_path, "a.log", "a.hook.log", "a.hook.log.1", "a.stack.log")

    assert Leftovers("a.hook", tmp_path / "none.db", tmp_path, {"a"}).delete() == ([], None)
    assert Leftovers("a.hook", tmp_path / "none.db", tmp_path, {"a", "a.hook.hook", "a.hook.stack"}).delete() == (
        [],
        None,
    )


def test_what_a_reader_leaves_meanwhile_goes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who opens an inbox to read it makes side files."""
    inbox = tmp_path / "inbox" / "a.db"
    touch(inbox.parent, "a.db", "a.db-wal", "a.db-shm")
    unlink = Path.unlink

    def slowly(path: Path) -> None:
        if path == inbox:
            touch(inbox.parent, "a.db-wal", "a.db-shm")
        unlink(path)

    monkeypatch.setattr(Path, "unlink", slowly)
    Leftovers("a", tmp_path / "inbox" / "a.db", None, ()).delete()

    assert names(inbox.parent) == set()


def test_without_log_files_there_are_none(tmp_path: Path) -> None:
    """`log.dir: none`, or a folder that was never made."""
    assert Leftovers("a", tmp_path / "inbox" / "a.db", None, ()).delete() == ([], None)
    assert Leftovers("a", tmp_path / "inbox" / "a.db", tmp_path / "no", ()).delete() == ([], None)


def test_what_cannot_go_is_named(tmp_path: Path) -> None:
    """The others go all the same."""
    touch(tmp_path / "a.log" / "full", "x")
    touch(tmp_path, "a.stack.log")
    deleted, trouble = Leftovers("a", tmp_path / "inbox" / "a.db", tmp_path, ()).delete()

    assert deleted == [str(tmp_path / "a.stack.log")]
    assert trouble is not None
    assert trouble.startswith(f"{tmp_path / 'a.log'}: ")


async def test_credentials_go_in_all_versions(tmp_path: Path) -> None:
    """What was to be written is not written afterwards; the operator's stop is forgotten; others are left alone."""
    store = Store(tmp_path)
    store.load(["a", "b"])
    for name in ("a", "b"):
        store.adopt(name, Secret(f"unb=220000000000{ord(name) - 96}; cookie2=x"), "file")
    store.book.set_stopped(["a", "b"], "li", 1.0)
    await store.flush()
    change(store, "a")
    await store.flush()
    device = store.get("a").device_id
    touch(tmp_path / "users", "2200000000001.json.tmp")
    change(store, "a")
    deleted, trouble = await store.erase("a")

    assert trouble is None
    assert {Path(path).name for path in deleted} >= {"2200000000001.json", "2200000000001.json.bak"}
    assert store.get("a").unb is None
    assert store.book.stopped("a") is None
    await store.close()
    assert names(tmp_path / "users") == {"2200000000002.json"}
    assert list(json.loads((tmp_path / "fleet.json").read_text())["stopped"]) == ["b"]
    again = Store(tmp_path)
    again.load(["a", "b"])
    again.adopt("a", Secret("unb=2200000000001; cookie2=x"), "file")
    assert again.get("a").device_id != device
    await again.close()


def test_a_write_that_a_full_disk_holds_back_is_dropped(tmp_path: Path) -> None:
    """Else it would bring the file back when there is room again."""
    blocked = tmp_path / "folder"
    blocked.write_text("a file stands where the folder should be")
    writer = atomic_files.Writer(retry=0.05)
    writer.put(blocked / "a.json", b"{}")
    assert not writer.flush(5)
    writer.remove(blocked / "a.json")
    blocked.unlink()

    assert writer.flush(5)
    assert writer.stop(5)
    assert not blocked.exists()


# A whole fleet.


@pytest.fixture
def fleet(tmp_path: Path, fresh_gateway: Gateway) -> Iterator[Fleet]:
    """Two accounts that are CONNECTED."""
    found = Fleet(tmp_path, fresh_gateway.endpoint, fresh_gateway.token_url, accounts=2)
    with running(found):
        found.wait_connected()
        yield found


def forget(fleet: Fleet, name: str) -> dict[str, Any]:
    """Ask for it."""
    answer: dict[str, Any] = fleet.client.post("/v1/forget", {"name": name}, timeout=20)
    return answer


def user(name: str) -> str:
    """Return the user that an account of `Fleet` is."""
    return unb(int(name[1:]))


def files_of(fleet: Fleet, name: str) -> set[str]:
    """Return the account's files, wherever they are."""
    found = (fleet.folder / "state").rglob("*")
    return {path.name for path in found if path.is_file() and path.name.startswith((f"{name}.", f"{user(name)}."))}


def device(fleet: Fleet, name: str) -> str:
    """Return the device id on disk."""
    return str(json.loads((fleet.folder / "state" / "users" / f"{user(name)}.json").read_text())["device_id"])


def test_the_whole_life_of_a_forgotten_account(fleet: Fleet) -> None:
    """Not while it runs; stopped it goes without a trace, and starts as a new one; removed from the file, for good."""
    touch(fleet.folder / "state" / "inbox", *(user("a0") + end for end in (".db", ".db-wal", ".db-shm")))
    before = device(fleet, "a0")
    with pytest.raises(Refused) as refused:
        forget(fleet, "a0")
    assert (refused.value.status, refused.value.code) == (409, "not_possible")
    assert "xyfleet stop a0" in refused.value.message
    fleet.client.post("/v1/accounts/stop", {"names": ["a0"]}, timeout=20)
    others = files_of(fleet, "a1")
    answer = forget(fleet, "a0")

    assert answer["listed"] is True
    ends = (".json", ".db", ".db-wal", ".db-shm")
    gone = {Path(path).name for path in answer["deleted"]}
    assert gone >= {"a0.log", *(user("a0") + end for end in ends)}
    assert files_of(fleet, "a0") == set()
    assert others <= files_of(fleet, "a1")
    assert fleet.accounts()["a0"]["process"] == "stopped"
    assert [(e["to"], e["account"]) for e in fleet.events("operator")][-1] == ("forget", "a0")
    assert forget(fleet, "a0")["deleted"] == []

    fleet.client.post("/v1/accounts/restart", {"names": ["a0"]}, timeout=20)
    fleet.until(lambda: fleet.connected("a0"), "a0 is back")
    fleet.until(lambda: (fleet.folder / "state" / "users" / f"{user('a0')}.json").exists(), "its login is stored")
    assert device(fleet, "a0") != before

    fleet.config["accounts"] = [account(1)]
    fleet.write()
    fleet.client.post("/v1/reload", timeout=20)
    assert forget(fleet, "a0")["listed"] is False
    assert files_of(fleet, "a0") == set()
    for nobody in ("a0", "../state/accounts/a1", "a*", "@x", ".."):
        with pytest.raises(Refused) as refused:
            forget(fleet, nobody)
        assert refused.value.code == "unknown_account"
    assert fleet.connected("a1")


def test_stop_is_forgotten_too(fleet: Fleet) -> None:
    """After a restart of the fleet the account begins as any other."""
    fleet.client.post("/v1/accounts/stop", {"names": ["a0"]}, timeout=20)
    forget(fleet, "a0")
    fleet.stop()
    fleet.start()
    fleet.wait_connected()


def test_nothing_is_brought_back_in_the_middle(fleet: Fleet) -> None:
    """While an account is being forgotten, no command starts it and no cookie is taken for it."""
    fleet.client.post("/v1/accounts/stop", {"names": ["a0"]}, timeout=20)
    touch(fleet.folder / "state" / "logs", *(f"a0.log.{number}" for number in range(10, 8000)))
    with ThreadPoolExecutor(1) as pool:
        forgetting = pool.submit(forget, fleet, "a0")
        while (fleet.folder / "state" / "users" / f"{user('a0')}.json").exists():
            time.sleep(0.001)
        with pytest.raises(Refused) as login:
            fleet.client.post("/v1/login", {"name": "a0", "cookie": f"unb={unb(0)}; cookie2=sim-77"}, timeout=20)
        restart = fleet.client.post("/v1/accounts/restart", {"names": ["a0"]}, timeout=20)
        forgetting.result(20)

    assert login.value.code == "not_possible"
    assert list(restart["refused"]) == ["a0"]
    assert files_of(fleet, "a0") == set()
