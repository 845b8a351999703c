"""Tests of `xyfleet.supervisor.common.atomic_files`."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from xyfleet.supervisor.common.atomic_files import Loaded, Unusable, Writer, backup, read, write

pytestmark = pytest.mark.pythons


def decode(data: bytes) -> str:
    """Take texts of digits for good, and nothing else."""
    if not data.isdigit():
        raise Unusable
    return data.decode()


def until(condition: object, timeout: float = 5.0) -> None:
    """Wait until a callable gives something true."""
    assert callable(condition)
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


def test_a_file_and_the_version_before(tmp_path: Path) -> None:
    """A write replaces the file, keeps the version before, and leaves nothing else."""
    path = tmp_path / "deep" / "a.json"
    write(path, b"1")
    write(path, b"2")

    assert (path.read_bytes(), backup(path).read_bytes()) == (b"2", b"1")
    assert {"a.json", "a.json.bak"} == {each.name for each in path.parent.iterdir()}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_version_that_is_not_good_is_not_kept(tmp_path: Path) -> None:
    """With `keep=False` the version before stays the one it was."""
    path = tmp_path / "a"
    write(path, b"1")
    write(path, b"2")
    path.write_bytes(b"torn")
    write(path, b"3", keep=False)

    assert (path.read_bytes(), backup(path).read_bytes()) == (b"3", b"1")


@pytest.mark.parametrize(
    ("file", "before", "found"),
    [
        (b"2", b"1", Loaded("2", False)),
        (b"2", None, Loaded("2", False)),
        (b"", b"1", Loaded("1", True)),
        (b"torn", b"1", Loaded("1", True)),
        (None, b"1", Loaded("1", False)),
        (b"torn", None, Loaded(None, True)),
        (b"torn", b"torn", Loaded(None, True)),
        (None, None, Loaded(None, False)),
    ],
)
def test_the_newest_good_version_is_read(
    tmp_path: Path, file: bytes | None, before: bytes | None, found: Loaded[str]
) -> None:
    """Empty and torn files fall back to the version before, and that is said."""
    path = tmp_path / "a"
    if file is not None:
        path.write_bytes(file)
    if before is not None:
        backup(path).write_bytes(before)

    assert found == read(path, decode)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """While the disk is full the file stays as it was; when there is room again, what waited is written."""
    path = tmp_path / "a"
    write(path, b"1")
    writer = Writer(retry=0.3)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        writer.put(path, b"2")
        until(lambda: writer.trouble)

        assert writer.trouble == "a: File too large"
        assert not writer.flush(0.05)
        assert [each.name for each in tmp_path.iterdir()] == ["a"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"1"
    writer.put(path, b"3")
    until(lambda: writer.trouble is None)
    assert writer.flush(5)
    assert path.read_bytes() == b"3"
    assert writer.stop(5)


FILE_LIMIT_CHILD = textwrap.dedent("""
    import resource, sys
    from pathlib import Path
    from xyfleet.supervisor.common.atomic_files import Writer
    folder = Path(sys.argv[1])
    writer = Writer(retry=0.05)
    writer.put(folder / "big", b"1" * 10)
    assert writer.flush(5)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    writer.put(folder / "big", b"2" * 5000)
    writer.put(folder / "small", b"3")
    assert not writer.flush(5)
    print(writer.trouble, (folder / "big").read_bytes(), (folder / "small").read_bytes())
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    while not writer.flush(0.1):
        pass
    print(writer.trouble, len((folder / "big").read_bytes()), sorted(p.name for p in folder.iterdir()))
""")


def test_one_file_that_can_not_be_written_holds_up_no_other(tmp_path: Path) -> None:
    """A file that the system refuses is tried again and again; the others are written meanwhile."""
    done = subprocess.run(
        [sys.executable, "-c", FILE_LIMIT_CHILD, tmp_path], capture_output=True, text=True, timeout=20, check=True
    )

    assert done.stdout.splitlines() == [
        "big: File too large b'1111111111' b'3'",
        "None 5000 ['big', 'big.bak', 'small']",
    ]
    assert "state can't be saved" in done.stderr


def test_a_slow_disk_holds_up_nobody(tmp_path: Path) -> None:
    """`put` returns at once while a write takes long, and of what came meanwhile only the newest is written."""
    path = tmp_path / "a"
    large = b"1" * 100_000_000
    writer = Writer(retry=0.01)
    writer.put(path, large)
    until(lambda: len(list(tmp_path.iterdir())))  # it is at it
    started = time.monotonic()
    for number in range(1000):
        writer.put(path, str(number).encode())
    took = time.monotonic() - started

    assert took < 0.5
    assert writer.stop(60)
    assert path.read_bytes() == b"999"
    assert backup(path).stat().st_size == len(large)


def test_files_are_written_in_order(tmp_path: Path) -> None:
    """Files are written in the order in which they were given."""
    writer = Writer()
    paths = [tmp_path / f"{number:03}" for number in range(100)]
    for path in paths:
        writer.put(path, b"1")

    assert writer.flush(10)
    assert writer.stop(5)
    assert paths == sorted(paths, key=lambda path: path.stat().st_mtime_ns)


def test_a_torn_file_never_becomes_the_version_before(tmp_path: Path) -> None:
    """A file marked as torn is replaced without being kept; the one after it is kept again."""
    path = tmp_path / "a"
    path.write_bytes(b"torn")
    backup(path).write_bytes(b"1")
    writer = Writer()
    writer.mark_torn(path)
    writer.put(path, b"2")
    assert writer.flush(5)
    first = backup(path).read_bytes()
    writer.put(path, b"3")
    assert writer.stop(5)

    assert (first, backup(path).read_bytes(), path.read_bytes()) == (b"1", b"2", b"3")


def test_stop_writes_what_is_left_once(tmp_path: Path) -> None:
    """Stopping tries what is left once more and gives up then; it never hangs on a refusing disk."""
    folder = tmp_path / "not a folder"
    folder.write_text("")
    writer = Writer(retry=60)
    writer.put(folder / "a", b"1")
    until(lambda: writer.trouble)
    writer.put(tmp_path / "b", b"2")

    assert not writer.stop(5)
    assert (tmp_path / "b").read_bytes() == b"2"
    assert "xyfleet-state" not in {thread.name for thread in threading.enumerate()}


def test_an_unused_writer_has_no_thread() -> None:
    """Nothing is started before there is something to write."""
    writer = Writer()

    assert writer.flush(0.1)
    assert writer.stop(0.1)


CRASH_CHILD = textwrap.dedent("""
    import sys
    from pathlib import Path
    from xyfleet.supervisor.common.atomic_files import write
    number = 10**5
    while True:
        write(Path(sys.argv[1]), str(number).encode() * 2000)
        number += 1
        if number == 10**5 + 3:
            print("going", flush=True)
""")


def whole(data: bytes) -> bytes:
    """Take 2,000 times the same five or six digits for good."""
    if not data or data != data[: len(data) // 2000] * 2000:
        raise Unusable
    return data


@pytest.mark.parametrize("pause", [0.0, 0.003, 0.007, 0.012])
def test_a_kill_leaves_a_whole_file(tmp_path: Path, pause: float) -> None:
    """A process killed while it writes leaves the old version or the new one, never a part."""
    path = tmp_path / "a"
    with subprocess.Popen([sys.executable, "-c", CRASH_CHILD, path], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(pause)
        child.send_signal(signal.SIGKILL)
    found = read(path, whole)

    assert found.value is not None
    assert not found.torn


def test_descriptors_are_closed(tmp_path: Path) -> None:
    """Writes and failures leave no descriptor behind."""
    (tmp_path / "file").write_text("")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        write(tmp_path / "a", b"1")
        with pytest.raises(OSError, match=r"Not a directory|File exists"):
            write(tmp_path / "file" / "a", b"1")

    assert before == len(os.listdir("/proc/self/fd"))


def test_who_asks_late_waits_for_no_other_file(tmp_path: Path) -> None:
    """A file that is on disk is so at once, also while others that were given with it are still being written."""
    writer = Writer()
    paths = [tmp_path / f"{number}.json" for number in range(30)]
    for path in paths:
        writer.put(path, b"1")
    for path in paths:
        assert writer.done(path).result(timeout=5)
        assert writer.done(path).result(timeout=5), "asked once more, nothing being on its way"
    assert writer.stop(5)
