"""Records find a running fleet from another terminal, and never a dead one."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from xyfleet.supervisor.api.registry import (
    NoFleet,
    Record,
    SeveralFleets,
    find,
    fleet_records_dir,
    is_live,
    read_records,
    remove_record,
    write_record,
)


def record(tmp_path: Path, name: str = "shops") -> Record:
    return Record(name, os.getpid(), str(tmp_path / "s"), str(tmp_path / f"{name}.yml"), str(tmp_path / f"{name}.lock"))


@contextmanager
def running(one: Record, folder: Path) -> Iterator[Record]:
    """Hold a fleet's lock and have its record written."""
    with open(one.lock, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write_record(one, folder)
        yield one


@pytest.mark.parametrize(
    ("state_home", "expected"),
    [("/x", "/x/xyfleet/fleets"), ("relative", "/home/li/.local/state/xyfleet/fleets")],
)
def test_folder_is_the_state_home(state_home: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state home counts when it is absolute; else it is the default one."""
    monkeypatch.setenv("HOME", "/home/li")

    assert fleet_records_dir({"XDG_STATE_HOME": state_home}) == Path(expected)


def test_written_record_is_read_again(tmp_path: Path) -> None:
    """What is written is read, privately stored, with nothing left beside it."""
    one = record(tmp_path)._replace(language="zh")

    path = write_record(one, tmp_path / "fleets")

    assert read_records(tmp_path / "fleets") == [one]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [path] == list((tmp_path / "fleets").iterdir())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"name": "x"}', '{"name":1,"pid":2,"socket":3,"file":4,"lock":5}']
)
def test_torn_record_is_left_out(text: str, tmp_path: Path) -> None:
    """A file that is no record is no fleet, and no fault."""
    (tmp_path / "x.json").write_text(text)

    assert read_records(tmp_path) == []


def test_fields_of_a_newer_version_are_ignored(tmp_path: Path) -> None:
    """A newer supervisor's record can be read."""
    one = record(tmp_path)
    (tmp_path / "x.json").write_text(json.dumps(one._asdict() | {"new": 1}))

    assert read_records(tmp_path) == [one]


def test_lock_says_who_lives(tmp_path: Path) -> None:
    """A fleet lives as long as its lock is held, whatever its record says."""
    one = record(tmp_path)
    assert not is_live(one)
    with running(one, tmp_path):
        assert is_live(one)
        assert is_live(one)
    assert not is_live(one)


def test_only_own_record_is_removed(tmp_path: Path) -> None:
    """A supervisor that ends late leaves its successor's record alone."""
    mine = record(tmp_path)
    theirs = mine._replace(pid=1)
    write_record(theirs, tmp_path)

    remove_record(mine, tmp_path)
    assert read_records(tmp_path) == [theirs]
    remove_record(theirs, tmp_path)
    assert read_records(tmp_path) == []
    remove_record(theirs, tmp_path)


def test_find_takes_name_path_or_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleet is meant by its name, by its file however written, or by being alone."""
    monkeypatch.chdir(tmp_path)
    with running(record(tmp_path), tmp_path) as one:
        assert one == find("shops", tmp_path) == find("shops.yml", tmp_path) == find(one.file, tmp_path)
        assert one == find(None, tmp_path)


def test_find_refuses_what_it_can_not_decide(tmp_path: Path) -> None:
    """Dead or unknown fleets are no fleet; several without a name are listed."""
    write_record(record(tmp_path, "dead"), tmp_path)
    for wanted in ("dead", "shops", None):
        with pytest.raises(NoFleet) as none:
            find(wanted, tmp_path)
        assert none.value.wanted == wanted
    with running(record(tmp_path, "a"), tmp_path) as a, running(record(tmp_path, "b"), tmp_path) as b:
        with pytest.raises(SeveralFleets) as several:
            find(None, tmp_path)
        assert several.value.records == [a, b]
        assert find("b", tmp_path) == b


def test_failed_write_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a record can't be stored, the one before stays, and no temporary file."""
    old = record(tmp_path)
    path = write_record(old, tmp_path)
    path.with_name("shops.json").chmod(0o600)
    bad = old._replace(file="\ud800")  # can't be written as UTF-8

    with pytest.raises(UnicodeEncodeError):
        write_record(bad, tmp_path)

    assert read_records(tmp_path) == [old]
    assert list(tmp_path.iterdir()) == [path]
