"""`scripts/soak-messages` in its short mode: killed workers, dropped sockets, a full disk; nothing lost or doubled."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.places import REPOSITORY


def soak(folder: Path, *words: str) -> tuple[dict[str, Any], str]:
    """Run it to its end; return the figures and what it printed."""
    file = folder / "figures.json"
    command = [str(REPOSITORY / "scripts" / "soak-messages"), *words, "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text()), done.stdout


def test_a_few_messages_are_counted(tmp_path: Path) -> None:
    """Each message of a small fleet is in its inbox once."""
    words = ("--accounts", "2", "--messages", "100", "--rate", "400", "--full-for", "0.2")
    figures, shown = soak(tmp_path, *words)

    assert figures["faults"] == []
    assert figures["stored"] == figures["messages"] == 100
    assert "| lost | 0 |" in shown


@pytest.mark.long
def test_short_soak_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The figures say that there was trouble, and that each message is in its inbox once."""
    figures, shown = soak(tmp_path, "--short")

    assert figures["faults"] == []
    assert figures["stored"] == figures["messages"] == 600
    assert figures["killed_workers"] + figures["dropped_sockets"] > 0
    assert figures["full_frames"] > 0
    assert "| lost | 0 |" in shown
