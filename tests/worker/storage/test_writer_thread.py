"""What the thread that writes does beside its jobs (those: test_inbox)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from support.jobs import threads
from xyfleet.worker.storage import writer_thread
from xyfleet.worker.storage.rehearsal import rehearse


def test_freed_memory_is_given_back() -> None:
    """It can be asked for at any time; what is in use stays."""
    kept = [bytes([number]) * 5000 for number in range(100)]

    writer_thread.give_back_free()

    assert all(each == each[:1] * 5000 for each in kept)


def test_the_rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The forkserver's rehearsal leaves nothing behind, neither files nor threads."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = threads()
    rehearse()

    assert threads() == before
    assert list(tmp_path.iterdir()) == []
