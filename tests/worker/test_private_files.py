"""Files that nobody else may have a hand in: what lies in their place is refused, and never waited for."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from xyfleet.worker.private_files import NotPrivate, open_private, read_private

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT
WAYS = [os.O_RDONLY, os.O_WRONLY, APPEND]


def fault(path: Path, flags: int) -> str:
    """Return why a file is refused."""
    with pytest.raises(NotPrivate) as refused:
        open_private(path, flags)
    assert refused.value.filename == str(path)
    return refused.value.fault


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Whatever the umask is, others get nothing."""
    before = os.umask(0)
    try:
        os.close(open_private(tmp_path / "a", NEW))
    finally:
        os.umask(before)

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert read_private(tmp_path / "a") == b""


@pytest.mark.parametrize("flags", WAYS)
def test_a_link_is_not_followed(tmp_path: Path, flags: int) -> None:
    """B6: what a link leads to is neither read nor written nor made."""
    (tmp_path / "theirs").write_text("old")
    (tmp_path / "a").symlink_to("theirs")
    (tmp_path / "b").symlink_to("made")

    assert (fault(tmp_path / "a", flags), fault(tmp_path / "b", flags)) == ("link", "link")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "theirs"]


@pytest.mark.parametrize("flags", WAYS)
def test_a_pipe_is_refused_at_once(tmp_path: Path, flags: int) -> None:
    """B23: opening a FIFO would wait for its other end for ever; a socket and a device are no files either."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))

        assert fault(tmp_path / "fifo", flags) == "not_plain"
        assert fault(tmp_path / "socket", flags) == "not_plain"
    assert fault(Path("/dev/null"), flags) == "not_plain"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """What is in it may be theirs."""
    (tmp_path / "a").write_text("x")
    (tmp_path / "a").chmod(mode)

    assert fault(tmp_path / "a", os.O_RDONLY) == "shared"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    """B6: a token or cookie that somebody else put there is not taken, unless that user is believed."""
    (tmp_path / "a").write_text("x")
    os.chown(tmp_path / "a", 4102, 4102)

    assert fault(tmp_path / "a", os.O_RDONLY) == "foreign"
    assert read_private(tmp_path / "a", frozenset((4102,))) == b"x"


def test_the_system_s_own_reasons_stay(tmp_path: Path) -> None:
    """Who asks whether a file is there hears it as ever."""
    with pytest.raises(FileNotFoundError):
        read_private(tmp_path / "a")
    (tmp_path / "a").touch()
    with pytest.raises(FileExistsError):
        open_private(tmp_path / "a", NEW)
