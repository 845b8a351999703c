"""scripts/bench-messages: its short mode run for real, and how it reads what handlers note."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from scripts.lib.bench import messages
from scripts.lib.bench import messages_push as push
from scripts.lib.bench import messages_rows as rows
from support.places import REPOSITORY

COMMAND = [sys.executable, "-P", "-m", "scripts.lib.bench.messages"]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run it as scripts/bench-messages does, with a folder of its own for temporary files."""
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        env = {**kept, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests'}", "TMPDIR": folder}
        done = subprocess.run([*COMMAND, *words], env=env, capture_output=True, text=True, timeout=55, check=False)
        assert not list(Path(folder).iterdir())
    return done


def test_short_mode_measures_everything(tmp_path: Path) -> None:
    """Every row has figures or a reason, no message is lost, and no folder of the machine is named."""
    file = tmp_path / "figures.json"
    done = run("--short", "--json", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    found = {row["key"]: row["figures"]["xyfleet"] for row in json.loads(file.read_text())["rows"]}
    assert list(found) == [row.key for row in rows.rows(rows.SHORT)]
    assert {key for key, figure in found.items() if "not_measured" in figure} == {"memory_idle"}
    assert found["lost"]["max"] == 0
    for name in ("ack", "python_20", "python_200", "webhook_20", "webhook_200"):
        assert 0 < found[f"{name}_p50"]["median"] <= found[f"{name}_p99"]["median"]
    assert found["one_1"]["median"] > 0
    assert found["memory"]["median"] > 1
    assert "SQLite" in done.stdout
    assert "/tmp" not in done.stdout
    assert str(REPOSITORY) not in done.stdout


@pytest.mark.parametrize("words", [["--accounts", "0"], ["--runs", "-1"], ["--seconds", "0"]])
def test_nonsense_is_refused(words: list[str]) -> None:
    """A benchmark of nothing ends at once with a sentence."""
    with pytest.raises(SystemExit) as ended:
        messages.options(words)
    assert ended.value.code == 2


def test_first_call_of_a_message_counts(tmp_path: Path) -> None:
    """A message whose call came twice took as long as until the first; its id tells when it was pushed."""
    file = tmp_path / "noted.txt"
    assert push.noted(file) == {}
    file.write_text("1700000000.25 1700000000000000.PNM\n1700000009.0 1700000000000000.PNM\n")
    assert push.latencies(["1700000000000000.PNM"], file) == [pytest.approx(250.0)]


def test_disk_is_described(tmp_path: Path) -> None:
    """The kind of file system, and what an fsync takes."""
    assert messages.filesystem(tmp_path) not in ("", "unknown")
    assert 0 < messages.sync_ms(tmp_path) < 10_000
