"""The lock of a fleet stays its own as long as it runs, whatever happens to the file (finding 11)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from xyfleet.supervisor.runtime.instance_lock import AlreadyRunning, Lock


def test_a_lock_that_was_removed_is_taken_anew(tmp_path: Path) -> None:
    """Removed or replaced, nobody else can have it after the next look."""
    path = tmp_path / "lock"
    lock = Lock(path, "f")
    for spoil in (lambda: None, path.unlink, lambda: (path.unlink(), path.touch(0o600))):
        spoil()
        lock.keep()
        with pytest.raises(AlreadyRunning) as refused:
            Lock(path, "f")
        assert refused.value.pid == os.getpid()
    lock.release()
    Lock(path, "f").release()


def test_a_lock_that_another_has_is_lost(tmp_path: Path) -> None:
    """Who was faster keeps it."""
    path = tmp_path / "lock"
    with contextlib.ExitStack() as stack:
        lock = Lock(path, "f")
        stack.callback(lock.release)
        path.unlink()
        stack.callback(Lock(path, "f").release)
        with pytest.raises(AlreadyRunning):
            lock.keep()


def test_a_folder_that_is_gone_is_waited_for(tmp_path: Path) -> None:
    """No lock can be had there, by anybody: the fleet goes on and looks again."""
    folder = tmp_path / "state"
    folder.mkdir()
    lock = Lock(folder / "lock", "f")
    (folder / "lock").unlink()
    folder.rmdir()
    lock.keep()
    folder.mkdir()
    lock.keep()
    with pytest.raises(AlreadyRunning):
        Lock(folder / "lock", "f")
    lock.release()
