"""A disk that hangs or refuses keeps nobody waiting but who asked, and loses nothing else: reviewer's 9 and 12."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from xyfleet.supervisor.common import atomic_files
from xyfleet.supervisor.common.atomic_files import Writer


async def test_the_loop_goes_on_while_a_file_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put meanwhile is taken at once and written afterwards: never beside the deletion."""
    writer, hangs, unlink = Writer(), threading.Event(), atomic_files._versions
    gone, other = tmp_path / "gone", tmp_path / "other"
    writer.put(gone, b"1")
    assert await asyncio.to_thread(writer.flush, 5.0)

    def slow(path: Path) -> list[Path]:
        hangs.wait(1.0)
        return unlink(path)

    monkeypatch.setattr(atomic_files, "_versions", slow)
    removal = asyncio.create_task(asyncio.to_thread(writer.remove, gone))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    writer.put(other, b"2")
    assert writer.given(other) == b"2"
    assert time.monotonic() - began < 0.5
    assert not other.exists()
    hangs.set()
    assert (await removal)[1] is None
    assert await asyncio.to_thread(writer.stop, 5.0)
    assert (gone.exists(), other.read_bytes()) == (False, b"2")


def test_a_stop_while_the_disk_refuses_a_file_writes_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is put while a write is about to fail, and the fleet ends, is tried once more, too."""
    writer, begun, fails, write = Writer(retry=60), threading.Event(), threading.Event(), atomic_files.write

    def refuse(path: Path, data: bytes, *, keep: bool = True) -> None:
        if path.name != "refused":
            write(path, data, keep=keep)
            return
        begun.set()
        assert fails.wait(5)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_files, "write", refuse)
    writer.put(tmp_path / "refused", b"1")
    assert begun.wait(5)
    writer.put(tmp_path / "other", b"2")
    stop = threading.Thread(target=writer.stop, args=(5.0,))
    stop.start()
    while not writer._stopping:
        time.sleep(0.001)
    fails.set()
    stop.join()
    assert (tmp_path / "other").read_bytes() == b"2"
