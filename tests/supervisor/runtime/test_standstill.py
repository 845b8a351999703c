"""A loop that stands still says where."""

from __future__ import annotations

import time
from pathlib import Path

from xyfleet.supervisor.runtime.standstill import NAME, Standstill


def test_a_standstill_leaves_its_stack_in_the_log_folder(tmp_path: Path) -> None:
    """The stack names the function that holds the loop; a loop that winds the alarm leaves no file."""
    clock = Standstill(tmp_path, after=0.2)
    for _ in range(10):
        clock.wind()
        time.sleep(0.05)
    assert (tmp_path / NAME).read_text() == ""
    hold_the_loop(0.5)
    clock.close()
    assert "in hold_the_loop" in (tmp_path / NAME).read_text()
    (tmp_path / NAME).unlink()
    Standstill(tmp_path).close()
    assert not (tmp_path / NAME).exists()


def hold_the_loop(seconds: float) -> None:
    """Stand still."""
    time.sleep(seconds)
