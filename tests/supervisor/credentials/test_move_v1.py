"""The state of version 1 is moved over: to the end, wherever a move before it was killed."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from xyfleet.supervisor.credentials.store import StateRefused, Store
from xyfleet.worker.causes import Cause

ACCOUNTS: dict[str, dict[str, Any]] = {
    "shop": {"unb": "101", "serial": 4, "token": "tok", "expires": 9e9, "device_id": "D-101", "since": 7},
    "0": {"unb": "102", "verdict": {"cause": "risk", "reason": "slider", "at": 5.0}, "device_id": "D-102", "since": 8},
    "102": {"unb": "0", "device_id": "D-0", "since": 9},  # a name that is another account's user
    "...": {"attempts": [{"start": 5.0}], "hook_runs": 3},
    "a.json": {"unb": "103", "cookie": "unb=103; cookie2=x", "device_id": "D-103", "since": 6},
}
"""By name, what their files say."""
MOVER = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    from xyfleet.supervisor.credentials.move_v1 import move

    EVENTS = {"os.rename", "os.remove", "os.mkdir", "open", "sqlite3.connect"}

    def move_until(folder, left):
        def look(event, args):
            nonlocal left
            if event in EVENTS and isinstance(args[0], (str, bytes, os.PathLike)) and folder in str(args[0]):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(look)
        move(Path(folder))

    for folder in sys.argv[1:]:
        pid = os.fork()
        if pid == 0:
            move_until(folder, int(Path(folder).name))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""")
"""Moves each folder in a process of its own, which is killed at the file operation that the folder's name says."""


def inbox(path: Path, text: str) -> None:
    """Make an inbox with one text, which stands in its write-ahead log only, as SIGKILL leaves it."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    making = path.with_name("making.db")
    with contextlib.closing(sqlite3.connect(making)) as db:
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        db.execute("CREATE TABLE messages (text)")
        db.execute("INSERT INTO messages VALUES (?)", (text,))
        db.commit()
        for end in ("", "-wal"):
            shutil.copy(f"{making}{end}", f"{path}{end}")
    making.unlink()


def old_state(folder: Path) -> None:
    """Make a state folder of version 1."""
    (folder / "accounts").mkdir(parents=True, mode=0o700)
    for name, fields in ACCOUNTS.items():
        (folder / "accounts" / f"{name}.json").write_text(json.dumps({"schema": 1, **fields}))
    (folder / "accounts" / "shop.json.tmp").write_text("unb=101; half")
    stopped = {"shop": {"by": "li", "at": 3.0}, "gone": {"by": "li", "at": 4.0}}
    (folder / "desired.json").write_text(json.dumps({"schema": 1, "stopped": stopped}))
    for name in ("shop", "0", "102", "stranger"):
        inbox(folder / "inbox" / f"{name}.db", f"of {name}")
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)


def texts(file: Path) -> list[str]:
    """Return what is in an inbox."""
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        return [text for (text,) in db.execute("SELECT text FROM messages")]


def everything_is_there(folder: Path) -> None:
    """Each record, stop and inbox is with its user, and nothing is left over."""
    store = Store(folder)
    store.load(ACCOUNTS)
    assert {name: store.user(name) for name in ACCOUNTS} == {name: each.get("unb") for name, each in ACCOUNTS.items()}
    shop, held = store.get("shop"), store.get("0")
    assert (shop.serial, shop.expires, shop.device_id, shop.since, shop.login) == (4, 9e9, "D-101", 7, 1)
    assert shop.token is not None
    assert held.verdict is not None
    assert held.verdict.cause is Cause.RISK
    assert (store.get("...").hook_runs, len(store.get("...").attempts)) == (3, 1)
    assert [store.book.stopped(name) is not None for name in ("shop", "gone", "0")] == [True, True, False]
    assert {path.name for path in (folder / "inbox").iterdir()} == {"101.db", "102.db", "0.db"}
    assert {path.name for path in (folder / "inbox.v1").iterdir()} == {"stranger.db", "stranger.db-wal"}
    assert {path.name for path in (folder / "accounts.v1").iterdir()} == {f"{name}.json" for name in ACCOUNTS}
    left = {"users", "names", "inbox", "fleet.json", "accounts.v1", "inbox.v1", "desired.json.v1"}
    assert {path.name for path in folder.iterdir() if not path.name.endswith(".bak")} == left
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert {name: texts(store.inbox(name)) for name in ("shop", "0", "102")} == {
        name: [f"of {name}"] for name in ("shop", "0", "102")
    }
    for side in (folder / "inbox").glob("*.db-*"):  # of this look at them
        side.unlink()


def test_version_1_is_moved_over(tmp_path: Path) -> None:
    """Token, verdict, attempts, stops, messages in a write-ahead log; odd names, and one that is a user's id."""
    old_state(tmp_path / "state")

    everything_is_there(tmp_path / "state")
    everything_is_there(tmp_path / "state")  # another start changes nothing


def test_a_move_that_was_killed_anywhere_is_finished(tmp_path: Path) -> None:
    """SIGKILL at every fifth file operation: the next start has everything, once."""
    old_state(tmp_path / "old")
    folders = [tmp_path / f"{step}" for step in range(1, 80, 5)]
    for folder in folders:
        shutil.copytree(tmp_path / "old", folder)
    driver = [sys.executable, "-c", MOVER, *map(str, folders)]
    codes = [int(line) for line in subprocess.run(driver, check=True, capture_output=True).stdout.split()]
    for folder in folders:
        everything_is_there(folder)
    assert set(codes) == {0, -signal.SIGKILL}
    assert codes.count(-signal.SIGKILL) > 11


def test_of_two_names_of_one_user_the_newer_login_wins(tmp_path: Path) -> None:
    """Version 1 could have both (16b); the other one begins anew, and its messages stay in the old folder."""
    old_state(tmp_path)
    twin = {
        "schema": 1,
        "unb": "101",
        "since": 7,
        "expires": 9.5e9,
        "device_id": "D-twin",
        "attempts": [{"start": 1.0}],
    }
    (tmp_path / "accounts" / "twin.json").write_text(json.dumps(twin))
    store = Store(tmp_path)
    store.load(["shop", "twin"])

    assert (store.user("twin"), store.user("shop")) == ("101", None)
    assert store.get("twin").device_id == "D-twin"
    assert texts(tmp_path / "inbox.v1" / "shop.db") == ["of shop"]


def test_a_newer_state_is_not_moved(tmp_path: Path) -> None:
    """A record that this version can't read refuses the move before anything is touched."""
    old_state(tmp_path)
    (tmp_path / "accounts" / "new.json").write_text('{"schema": 99}')
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(StateRefused, match="newer"):
        Store(tmp_path).load([])
    assert sorted(tmp_path.rglob("*")) == before


async def test_forget_takes_what_the_move_left(tmp_path: Path) -> None:
    """The old folder's copy of a login, and an inbox that was nobody's."""
    old_state(tmp_path)
    store = Store(tmp_path)
    store.load(ACCOUNTS)
    deleted, trouble = await store.erase("shop")
    gone, _ = await store.erase("stranger")
    await store.close()

    assert trouble is None
    assert str(tmp_path / "accounts.v1" / "shop.json") in deleted
    assert str(tmp_path / "inbox.v1" / "stranger.db") in gone
