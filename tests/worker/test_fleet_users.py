"""The fleet's user ids in one file that all workers map."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.fleet_users import FleetUsers, packed


def replace(path: Path, content: bytes) -> None:
    """Replace the file as the supervisor does."""
    path.with_suffix(".tmp").write_bytes(content)
    os.replace(path.with_suffix(".tmp"), path)


def test_known_and_unknown(tmp_path: Path) -> None:
    """Users in the file are known, whoever else is not; nobody is where there is no file (C2)."""
    path = tmp_path / "users.ids"
    users = FleetUsers(str(path), look_every=0.0)
    assert users.among(["1", "2"]) == ()
    replace(path, packed(["2", "22000000000001", "1"]))

    assert users.among(["3", "2", None, "22000000000001", "2"]) == ("2", "22000000000001")
    assert FleetUsers("").among(["1"]) == ()


def test_a_new_file_is_seen(tmp_path: Path) -> None:
    """A file that replaces it, is empty, torn or gone is taken as it is, and nothing raises."""
    path = tmp_path / "users.ids"
    users = FleetUsers(str(path), look_every=0.0)
    for content, known in ((packed(["1"]), ("1",)), (packed(["2"]), ("2",)), (b"", ()), (packed(["1"])[:5], ())):
        replace(path, content)
        assert users.among(["1", "2"]) == known
    replace(path, packed(["1"]))
    assert users.among(["1"]) == ("1",)
    path.unlink()
    assert users.among(["1"]) == ()


def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    """Whom the last one named, the fleet still has, until a file is there again or there is none."""
    path = tmp_path / "users.ids"
    users = FleetUsers(str(path), look_every=0.0)
    replace(path, packed(["1"]))
    assert users.among(["1"]) == ("1",)
    path.unlink()
    path.symlink_to(path)  # too many levels of links

    assert users.among(["1"]) == ("1",)


def test_it_is_not_looked_at_all_the_time(tmp_path: Path) -> None:
    """Between two looks the file that is mapped goes on being used."""
    path = tmp_path / "users.ids"
    replace(path, packed(["1"]))
    users = FleetUsers(str(path), look_every=60.0)
    assert users.among(["1"]) == ("1",)
    replace(path, packed([]))

    assert users.among(["1"]) == ("1",)


@given(st.sets(st.text(max_size=20)), st.sets(st.text(max_size=20)))
def test_any_ids(held: set[str], others: set[str]) -> None:
    """Whatever the ids look like, exactly those that are in the file are known."""
    content = packed(held)

    assert len(content) == 8 * len(held)
    assert content == packed([*held, *held])
    assert packed(held | others) == packed(others | held)
