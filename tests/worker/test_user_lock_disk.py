"""A user's lock where the disk, or the share, gives nothing more."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from xyfleet.worker.user_lock import UserLock


def test_a_full_disk_stops_nobody(small_disk: Path) -> None:
    """The lock is held though nobody can read by whom: an account that could not take it would never dial."""
    with pytest.raises(OSError, match="No space"):
        (small_disk / "fill").write_bytes(bytes(1 << 21))
    path = small_disk / "owners" / "1.lock"
    first, second = UserLock(str(path)), UserLock(str(path))

    assert [first.take(), second.take(), second.holder()] == [True, False, None]
    first.release()
    assert second.take()
    second.release()


def test_a_share_without_locks_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What such a share says is no sign that somebody else has the user; no descriptor is left open."""

    def refuse(fd: int, how: int) -> None:
        raise OSError("No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = len(os.listdir("/proc/self/fd"))
    assert UserLock(str(tmp_path / "1.lock")).take()
    assert len(os.listdir("/proc/self/fd")) == before
