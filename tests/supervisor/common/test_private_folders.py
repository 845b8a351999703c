"""Folders that a fleet may use: its own, never changed when they are there, and out of everybody's reach."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xyfleet.supervisor.common.paths import PathRefused
from xyfleet.supervisor.common.private_folders import make_private, owners, refuse_shared

OURS = frozenset((os.geteuid(), 0))
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")


def refusal(folder: Path, trusted: frozenset[int] = OURS) -> str:
    """Return why a folder can't be used."""
    with pytest.raises(PathRefused) as refused:
        make_private(folder, trusted)
    return str(refused.value)


def mode(path: Path) -> int:
    """Return its permissions."""
    return path.stat().st_mode & 0o7777


def test_a_folder_that_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    """It is there afterwards, and stays as it is."""
    for _ in range(2):
        make_private(tmp_path / "a" / "b", OURS)
        assert mode(tmp_path / "a" / "b") == 0o700


@pytest.mark.parametrize("before", [0o755, 0o750, 0o700])
def test_a_folder_that_is_there_is_never_changed(tmp_path: Path, before: int) -> None:
    """B14, finding 14: others may need to enter it, or to see what is in it."""
    folder = tmp_path / "a"
    folder.mkdir()
    folder.chmod(before)
    make_private(folder, OURS)

    assert mode(folder) == before


@pytest.mark.parametrize("before", [0o777, 0o1777, 0o703])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, before: int) -> None:
    """B6, B14: with the sticky bit too they could put something there first. The sentence says what helps."""
    folder = tmp_path / "a"
    folder.mkdir()
    folder.chmod(before)

    assert f"run: chmod go-w {folder}, or give xyfleet a folder elsewhere" in refusal(folder)
    assert mode(folder) == before


def test_a_folder_inside_one_that_others_may_write_to(tmp_path: Path) -> None:
    """B6: they could rename it and put theirs in its place, but not below a sticky folder such as /tmp."""
    outer = tmp_path / "outer"
    outer.mkdir()
    outer.chmod(0o777)
    assert f"other users may write to {outer}" in refusal(outer / "a")
    assert f"other users may write to {outer}" in refusal(outer / "b" / "c")
    assert list(outer.iterdir()) == []

    outer.chmod(0o1777)
    make_private(outer / "a", OURS)


@as_root
def test_a_group_counts_unless_it_is_the_users_own(tmp_path: Path) -> None:
    """Many systems give each user a group of the same number, and make folders that it may write to."""
    folder = tmp_path / "a"
    folder.mkdir()
    folder.chmod(0o775)
    trusted = OURS | {4101}
    os.chown(folder, 4101, 4101)
    make_private(folder, trusted)
    os.chown(folder, 4101, 100)
    assert "other users may write to" in refusal(folder, trusted)
    os.chown(folder, 0, 2000)  # root's folder, given to a group of root's choice: a volume of Kubernetes
    make_private(folder, trusted)


@as_root
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    """B6: its owner could exchange all that is in it, also what lies deeper, also by the link that leads there."""
    theirs = tmp_path / "theirs"
    (theirs / "ours").mkdir(parents=True)
    os.chown(theirs, 4102, 4102)
    (tmp_path / "link").symlink_to("theirs/ours")

    assert f"{theirs} belongs to another user (uid 4102)" in refusal(theirs)
    assert f"{theirs} belongs to another user (uid 4102)" in refusal(theirs / "ours")
    assert f"{theirs} belongs to another user (uid 4102)" in refusal(tmp_path / "link")
    os.chown(theirs, 0, 0)
    os.chown(tmp_path / "link", 4102, 4102, follow_symlinks=False)
    assert f"{tmp_path / 'link'} belongs to another user (uid 4102)" in refusal(tmp_path / "link")


@as_root
def test_the_owner_of_the_accounts_file_is_trusted(tmp_path: Path) -> None:
    """He says which programs the fleet runs; so root may run a user's fleet from that user's folder."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 4102, 4102)
    file = theirs / "accounts.yml"
    file.touch()
    assert "belongs to another user" in refusal(theirs / "state", owners(file))
    os.chown(file, 4102, 4102)

    make_private(theirs / "state", owners(file))


@pytest.mark.parametrize("folder", ["/", "/tmp", "/run", "/var/log", "/var/run", "/etc/../var/log"])
def test_a_folder_of_the_whole_machine_is_refused(folder: str) -> None:
    """B14: whoever owns it and whatever its mode is; one below it is good."""
    with pytest.raises(PathRefused, match=r"a folder of the whole machine; give xyfleet one of its own, such as /"):
        refuse_shared(Path(folder))
    refuse_shared(Path("/var/log/xyfleet"))


def test_what_can_not_be_made_is_a_sentence(tmp_path: Path) -> None:
    """B22: with the system's reason."""
    (tmp_path / "file").touch()

    assert refusal(tmp_path / "file" / "a") == f"cannot use the folder {tmp_path / 'file' / 'a'}: Not a directory"
