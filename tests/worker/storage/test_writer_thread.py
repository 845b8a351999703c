"""What the thread that writes does beside its jobs (those: test_inbox)."""

from __future__ import annotations

from xyfleet.worker.storage import writer_thread


def test_freed_memory_is_given_back() -> None:
    """It can be asked for at any time; what is in use stays."""
    kept = [bytes([number]) * 5000 for number in range(100)]

    writer_thread.give_back_free()

    assert all(each == each[:1] * 5000 for each in kept)
