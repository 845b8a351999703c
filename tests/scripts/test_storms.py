"""`scripts/storms` with a few accounts: everybody is back afterwards, and logins are the canaries' alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.places import REPOSITORY


def storm(folder: Path, name: str, accounts: int, seconds: float) -> dict[str, Any]:
    """Play one to its end; return its figures."""
    file = folder / "figures.json"
    words = ["--only", name, "--accounts", str(accounts), "--seconds", str(seconds), "--json", str(file)]
    command = [str(REPOSITORY / "scripts" / "storms"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(file.read_text())[name]
    return found


def test_expired_for_all_costs_a_login_a_canary(tmp_path: Path) -> None:
    """Each account has a proxy of its own, and yet it is seen that it is everybody's trouble."""
    figures = storm(tmp_path, "expired", 6, 1.5)
    assert figures["outages"] >= 1
    assert figures["logins_in_the_storm"] <= figures["canaries"]
    assert figures["left"] == []


@pytest.mark.long
@pytest.mark.timeout(160)
def test_everything_at_once_leaves_nobody(tmp_path: Path) -> None:
    """A dead proxy, dead logins, reloads and commands at once."""
    figures = storm(tmp_path, "everything", 18, 6.0)
    assert figures["left"] == []
    assert figures["overlaps"] == 0
