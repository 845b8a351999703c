"""`scripts/soak-messages` in its short mode: killed workers, dropped sockets, a full disk; nothing lost or doubled."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from support.places import REPOSITORY


def test_short_soak_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The figures say that there was trouble, and that each message is in its inbox once."""
    words = [str(REPOSITORY / "scripts" / "soak-messages"), "--short", "--json", str(tmp_path / "figures.json")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())

    assert figures["faults"] == []
    assert figures["stored"] == figures["messages"] == 600
    assert figures["killed_workers"] + figures["dropped_sockets"] > 0
    assert figures["full_frames"] > 0
    assert "| lost | 0 |" in done.stdout
