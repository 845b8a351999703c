"""Lines are written by a thread: nobody waits for a disk, and others may rotate the files."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.gateway import Gateway
from support.station import UNB, Station, until
from xyfleet.worker.settings import LogSettings
from xyfleet.worker.states import State
from xyfleet.worker.telemetry import log_handlers, log_texts
from xyfleet.worker.telemetry.account_log import AccountLog
from xyfleet.worker.telemetry.log_handlers import RotatingFile, StreamSink

pytestmark = pytest.mark.pythons


def wait(true: Callable[[], object]) -> None:
    """Wait until the thread has made something true."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


def make(folder: Path, **settings: Any) -> AccountLog:
    """Return a log into a folder."""
    return AccountLog("a0", LogSettings(dir=str(folder), **settings))


class StuckDisk:
    """A log file whose writes wait for as long as nobody reads: a pipe in its place, which is full."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read, self.write = os.pipe()
        os.set_blocking(self.write, False)
        try:
            while True:
                os.write(self.write, b"x" * 65536)
        except BlockingIOError:
            os.set_blocking(self.write, True)

        def wait_for_the_disk(sink: RotatingFile, line: bytes) -> None:
            os.write(self.write, line)

        monkeypatch.setattr(RotatingFile, "write", wait_for_the_disk)

    def free(self) -> bytes:
        """Let all writes go on, and return what was written."""
        os.close(self.write)
        data = b""
        while more := os.read(self.read, 1 << 20):
            data += more
        os.close(self.read)
        return data


async def test_a_stuck_disk_stops_no_beats(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beats go out and are answered while no line can be written, and the report says why (M8)."""
    monkeypatch.setattr(log_handlers, "STUCK_AFTER", 0.2)
    disk = StuckDisk(tmp_path, monkeypatch)
    async with Station(gateway.endpoint, tmp_path) as station:
        await station.reach(State.CONNECTED)
        await until(lambda: gateway.stats(UNB)["answers"] >= 8)
        await until(lambda: str(station.last.note) == "log not written: the disk does not take it")
        await asyncio.to_thread(os.read, disk.read, 1 << 20)
    threads = os.read(disk.read, 1 << 20)
    assert "心跳".encode() in threads
    os.close(disk.read)


def test_what_there_is_no_room_for_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that wait are bounded; how many were lost is said when there is room again (M8)."""
    monkeypatch.setattr(log_handlers, "MOST_WAITING", 2000)
    disk = StuckDisk(tmp_path, monkeypatch)
    log = make(tmp_path)
    for number in range(100):
        log.say(log_texts.SETTINGS_APPLIED, number=number)
    assert log._writer._taken - log._writer._done <= 2000
    os.set_blocking(disk.read, False)
    seen = b""

    def drained() -> bool:
        nonlocal seen
        try:
            seen += os.read(disk.read, 1 << 20)
        except BlockingIOError:
            return not log._writer._waiting
        return False

    wait(drained)
    log.say(log_texts.SETTINGS_APPLIED, number=100)
    log.close()
    wait(lambda: drained() and b"number=100" in seen)
    lines = seen.decode(errors="replace").splitlines()
    kept = [line for line in lines if "number=" in line]
    (lost,) = [line for line in lines if "部分日志未能写入" in line]

    assert int(lost.rpartition("lines=")[2]) == 101 - len(kept)
    os.close(disk.read)
    os.close(disk.write)


def test_renamed_by_others(tmp_path: Path) -> None:
    """A file that logrotate renames, and makes anew or not, is left at once (S1)."""
    path = tmp_path / "a.log"
    sink = RotatingFile(str(path), 1000, 1)
    sink.write(b"one\n")
    path.rename(tmp_path / "a.log-1")
    sink.write(b"two\n")
    path.rename(tmp_path / "a.log-2")
    path.touch(0o600)
    sink.write(b"three\n")
    sink.close()

    assert path.read_bytes() == b"three\n"
    assert [(tmp_path / f"a.log-{number}").read_bytes() for number in (1, 2)] == [b"one\n", b"two\n"]


def test_cut_by_others(tmp_path: Path) -> None:
    """A file that is copied and cut (copytruncate) goes on from its beginning, without a hole (S1)."""
    path = tmp_path / "a.log"
    sink = RotatingFile(str(path), 1000, 1)
    sink.write(b"one\n")
    os.truncate(path, 0)
    sink.write(b"two\n")
    sink.close()

    assert path.read_bytes() == b"two\n"


def test_beats_have_a_file_of_their_own(tmp_path: Path) -> None:
    """The account's log keeps what is rare; what comes twice a beat stands beside it."""
    log = make(tmp_path)
    log.say(log_texts.BEAT_SENT)
    log.say(log_texts.SOCKET_ERROR)
    log.say(log_texts.BEAT_ANSWERED)
    log.say(log_texts.BEAT_SEND_FAILED)
    log.close()
    files = {path.name: path.read_text("utf-8").splitlines() for path in tmp_path.iterdir()}

    assert [line.split()[3] for line in files["a0.beats.log"]] == ["心跳包已发送", "心跳响应正常"]
    assert [line.split()[3] for line in files["a0.log"]] == ["WebSocket连接异常", "心跳发送失败"]


def test_a_long_line_into_a_pipe_stays_one_object() -> None:
    """A traceback longer than a pipe takes whole loses its beginning, and the line is JSON still."""
    read, write = os.pipe()
    before = os.dup(1)
    os.dup2(write, 1)
    try:
        log = AccountLog("a0", LogSettings(dir=None))
        log.say(log_texts.PROGRAM_ERROR, traceback="Traceback\n" + "  File 某处\n" * 2000 + "ValueError: the end")
        log.close()
    finally:
        os.dup2(before, 1)
        os.close(before)
        os.close(write)
    data = os.read(read, 1 << 20)
    os.close(read)
    line = json.loads(data)

    assert len(data) <= 4096
    assert line["event"] == "程序错误"
    assert line["traceback"].endswith("ValueError: the end")


def test_a_line_that_was_cut_off_is_ended(tmp_path: Path) -> None:
    """What a stream took of a line only in part is counted as lost, and the next one begins on its own line."""
    import socket

    ours, theirs = socket.socketpair()
    sink = StreamSink(ours.fileno())
    while not sink._torn and not sink.lost:
        sink.write(b"x" * 60_000 + b"\n")
    theirs.setblocking(False)
    got = b""
    try:
        while True:
            got += theirs.recv(1 << 20)
    except BlockingIOError:
        pass
    sink.write(b"whole\n")
    got += theirs.recv(1 << 20)
    sink.close()
    ours.close()
    theirs.close()

    assert got.endswith(b"\nwhole\n")
    assert sink.lost == 0


def test_said_again_when_the_disk_is_well(tmp_path: Path) -> None:
    """Lost lines are told without waiting for the next line, which may be hours away."""
    (tmp_path / "a0.log").mkdir()
    log = make(tmp_path)
    log.say(log_texts.SOCKET_ERROR)
    wait(log.note)
    for _ in range(3):
        log.try_again()
    (tmp_path / "a0.log").rmdir()
    log.try_again()
    wait(lambda: log.note() is None)
    log.close()

    (line,) = (tmp_path / "a0.log").read_text("utf-8").splitlines()
    assert line.endswith("部分日志未能写入 account=a0 lines=1")


def test_a_handlers_child_writes_by_itself(tmp_path: Path) -> None:
    """A process that a handler forked has no such thread, and its lines are written all the same."""
    log = make(tmp_path)
    log.say(log_texts.SETTINGS_APPLIED, who="parent")
    wait(lambda: (tmp_path / "a0.log").exists() and (tmp_path / "a0.log").stat().st_size)
    child = os.fork()
    if not child:
        log.say(log_texts.SETTINGS_APPLIED, who="child")
        os._exit(0)
    os.waitpid(child, 0)
    log.close()

    assert [line.rpartition("=")[2] for line in (tmp_path / "a0.log").read_text().splitlines()] == ["parent", "child"]
