"""`scripts/soak-talk` in its short mode: a slow, failing handler is edited while buyers talk with it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support.places import REPOSITORY


@pytest.mark.long
def test_every_line_is_answered_once_in_order_by_whole_code(tmp_path: Path) -> None:
    """No line is lost or answered twice; edits reach the next call and no socket; all of it was tried."""
    file = tmp_path / "figures.json"
    command = [str(REPOSITORY / "scripts" / "soak-talk"), "--short", "--seed", "1", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())
    assert figures["faults"] == []
    assert figures["edits"] == 6
    assert min(figures[name] for name in ("failed_calls", "gathered_calls", "lines_beside_a_failed_one")) > 0
