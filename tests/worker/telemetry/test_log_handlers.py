"""Files and streams for log lines: bounded, private, never waited for, never raising."""

from __future__ import annotations

import errno
import os
import pty
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from xyfleet.worker.telemetry.log_handlers import RotatingFile, Sink, StreamSink

pytestmark = pytest.mark.pythons


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Have the system refuse to make any file larger: writes end short and then fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def written_well(sink: Sink) -> bool:
    """Tell whether the last line was written."""
    return sink.lost == 0 and sink.trouble is None


def test_file_is_made_at_the_first_line(tmp_path: Path) -> None:
    """Nothing is created before there is something to say; folder and file are the owner's alone."""
    path = tmp_path / "logs" / "a.log"
    sink = RotatingFile(str(path), 1000, 1)
    assert not path.parent.exists()
    sink.write(b"one\n")
    sink.write(b"two\n")
    sink.close()

    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_file_goes_on_where_it_was(tmp_path: Path) -> None:
    """A new process appends."""
    path = tmp_path / "a.log"
    for line in (b"one\n", b"two\n"):
        sink = RotatingFile(str(path), 1000, 1)
        sink.write(line)
        sink.close()

    assert path.read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("backups", [0, 1, 3])
def test_rotation(tmp_path: Path, backups: int) -> None:
    """The file stays below its size, as many older ones are kept as wanted, and no line is torn."""
    path = tmp_path / "a.log"
    sink = RotatingFile(str(path), 100, backups)
    for number in range(100):
        sink.write(b"line %04d\n" % number)
    sink.close()
    files = sorted(tmp_path.iterdir())

    assert [file.name for file in files] == ["a.log", *(f"a.log.{number + 1}" for number in range(backups))]
    kept = b"".join(file.read_bytes() for file in [*reversed(files[1:]), files[0]])
    lines = kept.splitlines()
    assert lines == [b"line %04d" % number for number in range(100 - len(lines), 100)]
    assert all(file.stat().st_size <= 100 for file in files)


def test_one_line_above_the_limit(tmp_path: Path) -> None:
    """A line longer than the file may be gets a file of its own."""
    sink = RotatingFile(str(tmp_path / "a.log"), 10, 1)
    sink.write(b"short\n")
    sink.write(b"x" * 50 + b"\n")
    sink.write(b"short\n")
    sink.close()

    assert (tmp_path / "a.log").read_bytes() == b"short\n"
    assert (tmp_path / "a.log.1").read_bytes() == b"x" * 50 + b"\n"


def test_removed_file_is_made_again(tmp_path: Path) -> None:
    """Somebody may remove the file under us."""
    path = tmp_path / "a.log"
    sink = RotatingFile(str(path), 1000, 1)
    sink.write(b"one\n")
    path.unlink()
    sink.write(b"two\n")
    sink.close()

    assert path.read_bytes() == b"two\n"


def test_full_disk(tmp_path: Path) -> None:
    """On a full disk lines are counted as lost; when there is room again the next line is whole."""
    path = tmp_path / "a.log"
    sink = RotatingFile(str(path), 10_000, 1)
    sink.write(b"a" * 99 + b"\n")
    with file_size_limit(150):
        for _ in range(3):
            sink.write(b"b" * 99 + b"\n")
        assert sink.lost == 3
        assert sink.trouble in (os.strerror(errno.ENOSPC), os.strerror(errno.EFBIG))
    sink.write(b"c" * 99 + b"\n")
    sink.close()

    assert written_well(sink)
    assert path.read_bytes().splitlines()[-1] == b"c" * 99
    assert path.read_bytes().splitlines()[0] == b"a" * 99


def test_unwritable_folder(tmp_path: Path) -> None:
    """A folder that can't be made or written loses lines and recovers."""
    blocked = tmp_path / "logs"
    blocked.write_text("a file where the folder should be")
    sink = RotatingFile(str(blocked / "a.log"), 1000, 1)
    sink.write(b"one\n")
    assert (sink.lost, sink.trouble) == (1, os.strerror(errno.EEXIST))

    blocked.unlink()
    sink.write(b"two\n")
    sink.close()
    assert written_well(sink)
    assert (blocked / "a.log").read_bytes() == b"two\n"


def test_pipe_without_a_reader_in_time(tmp_path: Path) -> None:
    """A full pipe takes nothing and holds nobody up; its other users' writes still wait, as they expect to."""
    read, write = os.pipe()
    sink = StreamSink(write)
    began = time.monotonic()
    for _ in range(100):
        sink.write(b"x" * 4000 + b"\n")
    assert time.monotonic() - began < 1
    assert sink.lost > 50
    assert sink.trouble == os.strerror(errno.EAGAIN)
    assert os.get_blocking(write)

    while len(os.read(read, 1 << 20)) == 1 << 20:
        pass
    sink.write(b"after\n")
    assert written_well(sink)
    assert os.read(read, 100).endswith(b"after\n")
    sink.close()
    os.close(read)
    os.close(write)


def test_broken_pipe() -> None:
    """A reader that left is no reason to stop."""
    read, write = os.pipe()
    sink = StreamSink(write)
    os.close(read)
    sink.write(b"one\n")
    sink.close()
    os.close(write)

    assert (sink.lost, sink.trouble) == (1, os.strerror(errno.EPIPE))


def test_socket_as_output() -> None:
    """A journal's socket is sent to without waiting."""
    ours, theirs = socket.socketpair()
    sink = StreamSink(ours.fileno())
    sink.write(b"one\n")
    assert theirs.recv(100) == b"one\n"
    for _ in range(2000):
        sink.write(b"x" * 4000 + b"\n")

    assert sink.lost > 0
    assert ours.getblocking()
    sink.close()
    ours.close()
    theirs.close()


def test_terminal() -> None:
    """A terminal gets its lines."""
    control, terminal = pty.openpty()
    sink = StreamSink(terminal)
    sink.write(b"one\n")
    sink.close()

    assert os.read(control, 100) == b"one\r\n"
    assert os.get_blocking(terminal)
    os.close(control)
    os.close(terminal)


def test_file_as_output_shared_with_others(tmp_path: Path) -> None:
    """Into a file that others write too (`xyfleet start > out.log`) all write one after the other."""
    path = tmp_path / "out.log"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    sinks = [StreamSink(fd), StreamSink(fd)]
    os.write(fd, b"supervisor\n")
    for number, sink in enumerate(sinks):
        sink.write(b"worker %d\n" % number)
        sink.close()
    os.write(fd, b"supervisor\n")
    os.close(fd)

    assert path.read_bytes() == b"supervisor\nworker 0\nworker 1\nsupervisor\n"


def test_closed_output() -> None:
    """A process without a standard output loses its lines, and nothing else."""
    program = """
import os
from xyfleet.worker.telemetry.log_handlers import StreamSink
os.close(1)
sink = StreamSink(1)
sink.write(b"one\\n")
os._exit(sink.lost)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=20)

    assert done.returncode == 1
