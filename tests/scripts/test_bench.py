"""scripts/bench: its short mode run for real, what it leaves behind, and how its figures are judged and printed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from scripts.lib.bench import figures, machine, mute, peers, processes
from support.fleet import all_gone
from support.gateway import Gateway
from support.places import REPOSITORY
from xyfleet.worker.telemetry import log_texts

COMMAND = [sys.executable, "-P", "-m", "scripts.lib.bench", "--short"]


Row, Sheet = figures.Row, figures.Sheet


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Return the environment that scripts/bench makes, with a short folder of its own for temporary files."""
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        yield {**kept, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests'}", "TMPDIR": folder}


def sleeper(*words: str) -> subprocess.Popen[bytes]:
    """Start a process that sleeps."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *words])


# The whole of it.


@pytest.mark.long
def test_short_mode_measures_everything(environment: dict[str, str], tmp_path: Path) -> None:
    """Every row has figures or a reason, nothing that must hold fails, and no folder of the machine is named."""
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [*COMMAND, "--json", str(file)], env=environment, capture_output=True, text=True, timeout=55, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["key"]: row["figures"]["xyfleet"] for row in json.loads(file.read_text())["rows"]}
    assert list(rows) == [row.key for row in figures.ROWS]
    assert {key for key, found in rows.items() if "not_measured" in found} == {"idle", "idle_supervisor"}
    assert all(found["samples"] for key, found in rows.items() if not key.startswith("idle"))
    for row in figures.ROWS:
        assert f"| {row.what} | " in done.stdout
        assert not row.must_be_none or rows[row.key]["max"] == 0
    assert rows["running"]["median"] < rows["connected"]["median"]
    assert rows["memory"]["median"] > 1
    assert "/tmp" not in done.stdout
    assert str(REPOSITORY) not in done.stdout


def test_one_figure_is_measured(tmp_path: Path, gateway: Gateway) -> None:
    """A fleet is started, a connection of it goes mute, and the figure is in the sheet."""
    sheet = Sheet(mute.ACCOUNTS)
    mute.measure(tmp_path / "f", gateway, sheet)
    found = {row["key"]: row["figures"]["xyfleet"] for row in sheet.view()}

    assert 0 <= found["dead"]["median"] < 2000
    assert sheet.faults == []


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_interrupted_leaves_nothing(environment: dict[str, str], number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end every process that was started, by then a whole fleet, and remove the files."""
    with subprocess.Popen(COMMAND, env=environment, stderr=subprocess.PIPE, text=True) as bench:
        assert bench.stderr is not None
        started = psutil.Process(bench.pid)
        while len(family := started.children(recursive=True)) < 6:
            assert bench.poll() is None
            time.sleep(0.05)
        bench.send_signal(number)
        assert bench.wait(20) == 130
        assert "interrupted" in bench.stderr.read()
    assert all_gone(family)
    assert not list(Path(environment["TMPDIR"]).iterdir())


def test_killed_benchmark_takes_its_fleet_along(environment: dict[str, str]) -> None:
    """SIGKILL can't be caught, so the kernel tells supervisor and gateway."""
    with subprocess.Popen(COMMAND, env=environment, stderr=subprocess.DEVNULL) as bench:
        started = psutil.Process(bench.pid)
        while len(family := started.children(recursive=True)) < 6:
            assert bench.poll() is None
            time.sleep(0.05)
        bench.kill()
    assert all_gone(family, within=10)


@pytest.mark.parametrize("words", [["--accounts", "0"], ["--runs", "0"], ["--idle", "-1"]])
def test_nonsense_is_refused(environment: dict[str, str], words: list[str]) -> None:
    """A benchmark of nothing ends at once with a sentence."""
    done = subprocess.run([*COMMAND[:-1], *words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "must be" in done.stderr


# Figures.


def test_spread_is_min_median_max() -> None:
    """The three figures have the unit's decimals."""
    assert figures.spread([3.0, 1.0, 2.0], "s") == "1.00 / 2.00 / 3.00 s"
    assert figures.spread([1.26, 1.0], "ms") == "1.0 / 1.1 / 1.3 ms"
    assert figures.spread([0], "") == "0 / 0 / 0"


def test_percentile_is_a_sample() -> None:
    """It is the smallest sample that so many do not exceed."""
    assert figures.percentile([4, 1, 3, 2], 95) == 4
    assert figures.percentile(list(range(1, 101)), 95) == 95
    assert figures.percentile([7.0], 95) == 7.0


@pytest.mark.parametrize(
    ("accounts", "samples", "shown"),
    [
        (200, [1.0, 2.0, 9.0], "≤ 2 s: met"),
        (200, [2.1], "≤ 2 s: missed"),
        (200, [], "≤ 2 s"),
        (5, [0.1], "≤ 2 s at 200 accounts"),
        (500, [0.1], "≤ 8 s at 1,000 accounts"),
        (1000, [9.0], "≤ 8 s: missed"),
        (3000, [9.0], "≤ 8 s at 1,000 accounts"),
    ],
)
def test_goal_is_judged_at_its_own_size_only(accounts: int, samples: list[float], shown: str) -> None:
    """At another size the nearest larger goal is shown, without a verdict; the median is what counts."""
    row = Row("start", "start", "s", {200: 2.0, 1000: 8.0})
    assert figures.goal_of(row, accounts, samples) == shown


def test_goal_of_every_size_and_no_goal() -> None:
    """Some goals hold however large the fleet is, some rows have none."""
    assert figures.goal_of(Row("x", "x", "ms", {figures.ANY: 20.0}), 77, [10]) == "≤ 20 ms: met"
    assert figures.goal_of(Row("x", "x", "ms"), 77, [10]) == "–"


def test_missed_goal_is_no_fault() -> None:
    """Only what must hold makes the benchmark fail."""
    sheet = Sheet(200)
    sheet.add("start", 99.0)
    sheet.add("overlaps", 0)
    assert sheet.faults == []


def test_orphan_is_a_fault_of_ours_only() -> None:
    """A process left behind makes the benchmark fail; that peers leave theirs is only shown."""
    sheet = Sheet(200)
    sheet.columns.append("circus")
    sheet.add("orphans_supervisor", 200, column="circus")
    assert sheet.faults == []
    sheet.add("orphans_supervisor", 0, 3)
    (fault,) = sheet.faults
    assert "SIGKILL of the supervisor: 3, must be 0" in fault


def test_what_was_not_measured_says_why() -> None:
    """No cell is invented: it has figures, a reason, or, where a peer has nothing of the kind, a dash."""
    sheet = Sheet(200)
    sheet.columns.append("circus")
    sheet.add("start", 1.5)
    sheet.add("start", 4.5, column="circus")
    sheet.skip("no idle window", "idle")
    table = sheet.table().splitlines()
    assert table[0] == "| what | xyfleet: min / median / max | samples | goal | circus |"
    assert next(line for line in table if line.startswith("| start:")).endswith(
        "| 1.50 / 1.50 / 1.50 s | 1 | ≤ 2 s: met | 4.50 / 4.50 / 4.50 s |"
    )
    assert any("| not measured: no idle window | 0 | ≤ 12 % at 1,000 accounts | – |" in line for line in table)
    assert any("| not measured: the benchmark broke off | 0 |" in line for line in table)
    found = {row["key"]: row["figures"] for row in sheet.view()}
    assert found["idle"]["xyfleet"] == {"not_measured": "no idle window"}
    assert found["start"]["circus"]["samples"] == [4.5]


def test_machine_is_described_without_its_name() -> None:
    """What matters for the figures is said, and nothing that is nobody's business."""
    described = machine.describe()
    assert described["Python"] == sys.version.split()[0]
    assert "uvloop" in described["libraries"]
    assert "cores" in described["machine"]
    assert socket.gethostname() not in described["machine"] + described["kernel"].replace("Linux", "")


# The mute connection.


def beat(line: log_texts.LogText, at: float, mid: str, generation: int = 1) -> str:
    """Return a line of a worker's log."""
    stamp = f"2026-01-01T00:00:{at:06.3f}+00:00"
    return json.dumps({"time": stamp, "event": line.text, "generation": generation, "mid": mid})


def test_deadline_is_that_of_the_oldest_unanswered_beat() -> None:
    """An answer settles its beat and all older ones; beats of a later connection do not count."""
    log = [
        beat(log_texts.BEAT_SENT, 1.0, "a"),
        beat(log_texts.BEAT_SENT, 1.5, "b"),
        beat(log_texts.BEAT_SENT, 2.0, "c"),
        beat(log_texts.BEAT_ANSWERED, 2.1, "b"),
        beat(log_texts.BEAT_SENT, 2.5, "d"),
        beat(log_texts.BEAT_SENT, 0.5, "e", generation=2),
    ]
    assert mute.deadline(log) == pytest.approx(1767225602.0 + mute.TIMEOUT, abs=1e-6)


def test_deadline_of_an_answered_connection_is_refused() -> None:
    """Without an unanswered beat there was no deadline to measure from."""
    with pytest.raises(processes.Broken, match="no unanswered beat"):
        mute.deadline([beat(log_texts.BEAT_SENT, 1.0, "a"), beat(log_texts.BEAT_ANSWERED, 1.1, "a")])


def test_another_end_is_no_measurement() -> None:
    """A connection that ended for another cause than its heartbeat was not declared dead."""
    events: list[dict[str, Any]] = [
        {"from": "CONNECTING", "to": "CONNECTED", "cause": None, "time": "2026-01-01T00:00:01.000Z"},
        {"from": "CONNECTED", "to": "RECONNECTING", "cause": "heartbeat", "time": "2026-01-01T00:00:03.250Z"},
    ]
    assert mute.lost(events) == [1767225603.25]
    events[1]["cause"] = "closed"
    with pytest.raises(processes.Broken, match="closed"):
        mute.lost(events)


# Processes.


def test_processor_time_is_exact() -> None:
    """A process's clock counts what /proc rounds away, and a process that is gone is said to be."""
    before = time.process_time()
    measured = processes.cpu_seconds([psutil.Process()])
    assert before <= measured <= time.process_time()
    with sleeper() as gone:
        process = psutil.Process(gone.pid)
        gone.kill()
    with pytest.raises(processes.Broken, match="ended while it was measured"):
        processes.cpu_seconds([process])


def test_survivors_are_those_that_nobody_ended() -> None:
    """A stopped process that was killed never runs again, so it is none; a sleeping one is."""
    with sleeper() as sleeping, sleeper() as killed:
        both = [psutil.Process(sleeping.pid), psutil.Process(killed.pid)]
        killed.kill()
        assert processes.left(both, 0.2) == both[:1]
        processes.kill(both)
    assert processes.left(both, 0.2) == []


def test_exit_is_waited_for_at_most_so_long() -> None:
    """The end's time is told; no end within the time is a failure."""
    with sleeper() as sleeping:
        with pytest.raises(processes.Broken, match=r"not within 0\.1 s"):
            processes.wait_exit(sleeping.pid, 0.1)
        began = time.monotonic()
        sleeping.kill()
        assert began <= processes.wait_exit(sleeping.pid, 10) <= time.monotonic()


# Peers.


def test_peers_that_cannot_be_installed_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table says so, and the benchmark goes on."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(peers, "ENVIRONMENT", tmp_path / "file" / "peers")
    sheet = Sheet(5)
    peers.measure(tmp_path, sheet, 1, 1, lambda _: None)
    assert sheet.columns == ["xyfleet", "supervisord", "circus"]
    assert any(note.startswith("peers: not measured to the end: ") for note in sheet.notes)
    assert "| not measured: see below | not measured: see below |" in sheet.table()
    assert sheet.faults == []
