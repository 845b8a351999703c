"""A user's lock among the fleets of one machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from xyfleet.supervisor.common.user_locks import lock_file, sweep
from xyfleet.worker.settings import DEFAULT_ENDPOINT
from xyfleet.worker.user_lock import UserLock

HOLD = """
import sys
from xyfleet.worker.user_lock import UserLock
lock = UserLock(sys.argv[1])
print(lock.take(), flush=True)
input()
"""


def test_one_has_it_and_says_who(tmp_path: Path) -> None:
    """The second one is refused at once, and may have it when the first lets go; nothing is left then."""
    path = tmp_path / "owners" / "1.lock"
    first, second = UserLock(str(path)), UserLock(str(path))

    assert [first.take(), first.take(), second.take()] == [True, True, False]
    assert second.holder() == os.getpid()
    assert path.stat().st_mode & 0o777 == 0o600
    first.release()
    assert second.take()
    second.release()
    assert list(path.parent.iterdir()) == []


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    """The kernel lets go with the process; its file is used again, or swept."""
    path = tmp_path / "1.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        lock = UserLock(str(path))
        assert not lock.take()
        assert lock.holder() == holder.pid
        sweep(tmp_path)
        assert path.exists(), "it is held"
        holder.kill()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert lock.take()
    lock.release()


def test_a_removed_file_locks_nobody(tmp_path: Path) -> None:
    """Whoever has it takes it anew, else two would have it."""
    path = tmp_path / "1.lock"
    first, second = UserLock(str(path)), UserLock(str(path))
    first.take()
    path.unlink()
    assert first.take()
    assert not second.take()
    first.release()


def test_a_folder_that_can_not_be_used_stops_nobody(tmp_path: Path) -> None:
    """A lock is a help: where none can be made, everybody dials as if he had it."""
    (tmp_path / "file").write_text("")

    assert UserLock(str(tmp_path / "file" / "1.lock")).take()
    assert UserLock(None).take()
    assert UserLock(None).holder() is None


def test_users_of_another_service_are_others(tmp_path: Path) -> None:
    """A built-in gateway's made-up user is nobody else's, whatever his number is."""
    real = lock_file(tmp_path, "1", DEFAULT_ENDPOINT)

    assert real.name == "1.lock"
    assert real != lock_file(tmp_path, "1", "ws://127.0.0.1:5/")
